/* Files for the harness, as a program of Linux; QEMU's user mode has no clock of instructions. */
#include <stdint.h>
#include <stdio.h>

static FILE *opened[2];

/* Modes are semihosting's: 1 to read bytes, 5 to write them. */
int32_t host_open(const char *name, int32_t mode)
{
  for (int32_t file = 0; file < 2; file++) {
    if (opened[file] == NULL) {
      opened[file] = fopen(name, mode == 1 ? "rb" : "wb");
      return opened[file] == NULL ? -1 : file;
    }
  }
  return -1;
}

/* 0 where all bytes were read. */
int32_t host_read(int32_t file, void *to, uint32_t size)
{
  return fread(to, 1, size, opened[file]) == size ? 0 : -1;
}

/* 0 where all bytes were written. */
int32_t host_write(int32_t file, const void *from, uint32_t size)
{
  return fwrite(from, 1, size, opened[file]) == size ? 0 : -1;
}

void clock_start(void)
{
}

uint32_t clock_ticks(void)
{
  return 0;
}
