/* Start of a bare Cortex-M, semihosting, and an instruction clock: for machines of QEMU. */
#include <stdint.h>
#include <string.h>

extern uint32_t _stack_top, _data_begin, _data_end, _data_load, _bss_begin, _bss_end;
int main(void);

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };

static int32_t host(int32_t operation, const void *arguments)
{
  register int32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

int32_t host_open(const char *name, int32_t mode)
{
  const uintptr_t arguments[3] = {(uintptr_t)name, (uintptr_t)mode, strlen(name)};
  return host(SYS_OPEN, arguments);
}

/* 0 where all bytes were read. */
int32_t host_read(int32_t file, void *to, uint32_t size)
{
  const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)to, size};
  return host(SYS_READ, arguments);
}

/* 0 where all bytes were written. */
int32_t host_write(int32_t file, const void *from, uint32_t size)
{
  const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)from, size};
  return host(SYS_WRITE, arguments);
}

void host_exit(int32_t code)
{
  const uintptr_t arguments[2] = {0x20026, (uintptr_t)code}; /* ADP_Stopped_ApplicationExit */
  host(SYS_EXIT_EXTENDED, arguments);
  for (;;) {
  }
}

/* SysTick counts down 24 bits; with -icount shift=0 one tick of 25 MHz is 40 instructions. */
#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)

void clock_start(void)
{
  SYST_RVR = 0xFFFFFFu;
  SYST_CVR = 0;
  SYST_CSR = 5;
}

/* 0xFFFFFFFF where the clock has run down, so that no wrong count is given. */
uint32_t clock_ticks(void)
{
  const uint32_t left = SYST_CVR;
  return SYST_CSR & (1u << 16) ? 0xFFFFFFFFu : 0xFFFFFFu - left;
}

static void reset(void)
{
  /* floating point, where there is one: full access to its coprocessors */
  *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
  memcpy(&_data_begin, &_data_load, (uint32_t)((char *)&_data_end - (char *)&_data_begin));
  memset(&_bss_begin, 0, (uint32_t)((char *)&_bss_end - (char *)&_bss_begin));
  host_exit(main());
}

static void fault(void)
{
  host_exit(100);
}

__attribute__((section(".vectors"), used)) void *const vectors[16] = {
    &_stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
    (void *)fault};
