/* SPDX-License-Identifier: MIT */
/* From an address to the line of its source. */
#ifndef COIL_BASE_SYMBOL_H
#define COIL_BASE_SYMBOL_H

#include <stddef.h>

/* Writes where the call was made that returns to `address`: "file:line" if the addr2line of
 * binutils is there and finds it, else the file of the program and the offset to ask it for. Starts
 * a process: for the last words of this one. */
void coil__symbol_line(const void *address, char *text, size_t size);

#endif
