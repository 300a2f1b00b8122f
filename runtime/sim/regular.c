/* SPDX-License-Identifier: MIT */
/* Open files of the simulated disk, and directories, which can only be synced. */
#include "sim/disk.h"
#include "sim/path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct open_file {
    struct coil__sim_file file;
    struct coil__sim_inode *inode; /* NULL: a directory */
    int flags;
    size_t position;
    char *directory; /* its path */
};

static struct open_file *open_file_of(struct coil__sim_file *file)
{
    return coil__container_of(file, struct open_file, file);
}

static uint32_t regular_events(const struct coil__sim_file *file)
{
    (void)file;
    return POLLIN | POLLOUT;
}

static int32_t regular_read(struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    struct open_file *open = open_file_of(op->file);
    if (open->inode == NULL)
        return -EISDIR;
    if ((open->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    bool at_position = transfer->offset == UINT64_MAX;
    uint64_t offset = at_position ? open->position : transfer->offset;
    if (offset > INT64_MAX)
        return -EINVAL;
    if (offset >= open->inode->size || transfer->len == 0)
        return 0;
    size_t left = open->inode->size - offset;
    size_t len = coil__sim_part(left < transfer->len ? left : transfer->len);
    coil__sim_scatter(transfer, 0, open->inode->data + offset, len);
    if (at_position)
        open->position = offset + len;
    return (int32_t)len;
}

static int32_t regular_write(struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    struct open_file *open = open_file_of(op->file);
    struct coil__sim_inode *inode = open->inode;
    if (inode == NULL || (open->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    bool at_position = transfer->offset == UINT64_MAX;
    uint64_t offset = at_position ? open->position : transfer->offset;
    if ((open->flags & O_APPEND) != 0)
        offset = inode->size;
    if (offset > INT64_MAX)
        return -EINVAL;
    size_t len = coil__sim_part(transfer->len);
    if (len == 0)
        return 0;
    int err = offset + len > inode->size ? coil__sim_disk_resize(inode, offset + len) : 0;
    if (err < 0)
        return err;
    coil__sim_gather(transfer, 0, inode->data + offset, len);
    coil__sim_disk_touch(inode, offset, len);
    if (at_position)
        open->position = offset + len;
    return (int32_t)len;
}

static void regular_end(struct coil__sim_file *file)
{
    struct open_file *open = open_file_of(file);
    if (open->inode != NULL)
        open->inode->references--;
    free(open->directory);
    free(open);
}

static const struct coil__sim_file_kind regular_kind = {
    .name = "file",
    .events = regular_events,
    .read = regular_read,
    .write = regular_write,
    .end = regular_end,
};

/* ---- opening ---- */

static int find_inode(const struct coil__sim_path *path, int flags, struct coil__sim_inode **inode)
{
    *inode = coil__sim_disk_find(path->text);
    if (*inode != NULL && (path->of_directory || (flags & O_DIRECTORY) != 0))
        return -ENOTDIR;
    if (*inode != NULL && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
        return -EEXIST;
    int err = *inode == NULL ? coil__sim_path_check(path) : 0;
    if (err < 0)
        return err;
    if (*inode == NULL && (flags & O_CREAT) == 0)
        return -ENOENT;
    if (*inode == NULL && path->of_directory)
        return -EISDIR;
    if (*inode == NULL)
        *inode = coil__sim_disk_make(path->text);
    if (*inode == NULL)
        return -ENOSPC;
    return (flags & O_TRUNC) != 0 ? coil__sim_disk_resize(*inode, 0) : 0;
}

static int32_t install(struct coil__sim_inode *inode, const char *directory, int flags)
{
    struct open_file *open = calloc(1, sizeof(*open));
    if (open == NULL)
        return -ENOMEM;
    coil__sim_file_init(&open->file, &regular_kind);
    open->inode = inode;
    open->flags = flags;
    open->directory = directory != NULL ? strdup(directory) : NULL;
    if (inode != NULL)
        inode->references++;
    return coil__sim_file_install(&open->file);
}

int32_t coil__sim_openat(struct coil__sim_op *op)
{
    int flags = (int)op->sqe.open_flags;
    struct coil__sim_path path;
    struct coil__sim_inode *inode;
    int err = coil__sim_path_read(&path, NULL, (const char *)(uintptr_t)op->sqe.addr);
    if (err < 0)
        return err;
    if (!coil__sim_file_has_room())
        return -EMFILE;
    bool reads = (flags & O_ACCMODE) == O_RDONLY && (flags & O_CREAT) == 0;
    if (coil__sim_path_is_directory(path.text))
        return reads ? install(NULL, path.text, flags) : -EISDIR;
    err = find_inode(&path, flags, &inode);
    return err < 0 ? err : install(inode, NULL, flags);
}

/* ---- the rest ---- */

bool coil__sim_is_regular(const struct coil__sim_file *file)
{
    return file->kind == &regular_kind &&
           coil__container_of(file, const struct open_file, file)->inode != NULL;
}

bool coil__sim_is_directory(const struct coil__sim_file *file)
{
    return file->kind == &regular_kind && !coil__sim_is_regular(file);
}

static void sync_file(struct coil__sim_file *file, bool fails)
{
    const struct open_file *open = open_file_of(file);
    if (open->inode != NULL)
        coil__sim_disk_sync(open->inode, fails);
    else
        coil__sim_disk_sync_names(open->directory, fails);
}

void coil__sim_lose_unsynced(struct coil__sim_file *file)
{
    sync_file(file, true);
}

int32_t coil__sim_fsync(struct coil__sim_op *op)
{
    if (op->file->kind != &regular_kind)
        return -EINVAL;
    sync_file(op->file, false);
    return 0;
}

static void fill_statx(struct statx *out, const struct coil__sim_inode *inode)
{
    memset(out, 0, sizeof(*out));
    out->stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_INO | STATX_SIZE | STATX_BLOCKS;
    out->stx_blksize = 4096;
    out->stx_nlink = 1;
    out->stx_mode = inode != NULL ? S_IFREG | 0644 : S_IFDIR | 0755;
    if (inode == NULL)
        return;
    out->stx_ino = inode->number;
    out->stx_size = inode->size;
    out->stx_blocks = (inode->size + COIL__SIM_SECTOR - 1) / COIL__SIM_SECTOR;
}

/* What a relative path continues: NULL is the process's directory. */
static int find_base(const struct coil__sim_op *op, const char **base)
{
    struct coil__sim_file *file = coil__sim_file_at(op->sqe.fd);
    *base = NULL;
    const char *given = (const char *)(uintptr_t)op->sqe.addr;
    if (op->sqe.fd == AT_FDCWD || given == NULL || *given == '/')
        return 0;
    if (file == NULL)
        return -EBADF;
    if (file->kind != &regular_kind || open_file_of(file)->inode != NULL)
        return -ENOTDIR;
    *base = open_file_of(file)->directory;
    return 0;
}

static int32_t stat_open_file(const struct coil__sim_op *op, struct statx *out)
{
    struct coil__sim_file *file = coil__sim_file_at(op->sqe.fd);
    if ((op->sqe.statx_flags & AT_EMPTY_PATH) == 0)
        return -ENOENT;
    if (file == NULL)
        return -EBADF;
    if (file->kind != &regular_kind)
        return statx(op->sqe.fd, "", (int)op->sqe.statx_flags, op->sqe.len, out) < 0 ? -errno : 0;
    fill_statx(out, open_file_of(file)->inode);
    return 0;
}

int32_t coil__sim_statx(struct coil__sim_op *op)
{
    struct statx *out = (struct statx *)(uintptr_t)op->sqe.off;
    const char *given = (const char *)(uintptr_t)op->sqe.addr;
    struct coil__sim_path path;
    const char *base;
    if (given != NULL && *given == '\0')
        return stat_open_file(op, out);
    int err = find_base(op, &base);
    err = err < 0 ? err : coil__sim_path_read(&path, base, given);
    if (err < 0)
        return err;
    bool is_directory = coil__sim_path_is_directory(path.text);
    const struct coil__sim_inode *inode = is_directory ? NULL : coil__sim_disk_find(path.text);
    if (inode == NULL && !is_directory) {
        err = coil__sim_path_check(&path);
        return err < 0 ? err : -ENOENT;
    }
    if (inode != NULL && path.of_directory)
        return -ENOTDIR;
    fill_statx(out, inode);
    return 0;
}
