/* SPDX-License-Identifier: MIT */
/*
 * Files in memory, twice: as the process sees them (the page cache), and as they would be found
 * after a power cut (the durable image). An fsync carries the one over to the other; a power cut
 * carries over of each sector that was written since either what was written or nothing.
 */
#ifndef COIL_SIM_DISK_H
#define COIL_SIM_DISK_H

#include "sim/file.h"

struct coil__sim_inode {
    struct coil_link link;   /* among all */
    unsigned number;         /* in the order of creation */
    unsigned references;     /* open files */
    bool named;              /* its name will be there after a power cut */
    bool nameless;           /* it never will: a sync of its directory failed */
    char *data, *durable;    /* `room` bytes each; behind their sizes there are zeros */
    unsigned char *unsynced; /* by sector: it was written since the last fsync */
    size_t room;
    size_t size, durable_size;
    char path[];
};

enum { COIL__SIM_SECTOR = 512 };

/* Begins with an empty disk, unless the world before ended with a power cut. */
void coil__sim_disk_open(void);
void coil__sim_disk_close(void);

/* Paths are absolute (sim/path.h). The file of one, taken over from the machine's own if the
 * simulated process has not touched it yet; NULL: there is none. */
struct coil__sim_inode *coil__sim_disk_find(const char *path);

/* Makes an empty one; NULL without memory. */
struct coil__sim_inode *coil__sim_disk_make(const char *path);

/* Makes it as large; new bytes are zeros. 0 or -ENOSPC. */
int coil__sim_disk_resize(struct coil__sim_inode *inode, size_t size);

/* Notes that these bytes, which lie within its size, were written. */
void coil__sim_disk_touch(struct coil__sim_inode *inode, size_t offset, size_t len);

/* Makes the file durable; or, failing, forgets that it is not: a second attempt finds nothing to
 * do. */
void coil__sim_disk_sync(struct coil__sim_inode *inode, bool fails);

/* Makes the names in a directory durable; or, failing, as above. */
void coil__sim_disk_sync_names(const char *directory, bool fails);

/* What a descriptor stands for, if it is of the disk. */
bool coil__sim_is_regular(const struct coil__sim_file *file);
bool coil__sim_is_directory(const struct coil__sim_file *file);

/* A sync of either fails. */
void coil__sim_lose_unsynced(struct coil__sim_file *file);

/* The power fails: what is left is what is durable. */
void coil__sim_disk_cut(void);

/* Attempts. */
int32_t coil__sim_openat(struct coil__sim_op *op);
int32_t coil__sim_fsync(struct coil__sim_op *op);
int32_t coil__sim_statx(struct coil__sim_op *op);

#endif
