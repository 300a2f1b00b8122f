/* SPDX-License-Identifier: MIT */
/* Descriptors that coil has for itself. */
#ifndef COIL_BASE_DESCRIPTOR_H
#define COIL_BASE_DESCRIPTOR_H

/* Takes a descriptor as a system call returned it, and returns the same file under a number that is
 * no standard stream's: a program that was started without those writes to them all the same. It is
 * closed on exec. Returns -1, with errno, where there was none, or is none left. */
int coil__descriptor_beyond_streams(int fd);

#endif
