/*
 * clock.h - the monotonic clock of a fuzz target: it stands still until it is moved.
 *
 * Defining it replaces libc's clock_gettime for the whole program, libuv too; the other clocks
 * are as ever, because libFuzzer measures with them.
 */
#ifndef SX_FUZZ_CLOCK_H
#define SX_FUZZ_CLOCK_H

#include <stdint.h>

void fuzz_clock_set_ms(uint64_t now_ms);
void fuzz_clock_pass_ms(uint64_t ms);

#endif /* SX_FUZZ_CLOCK_H */
