/* SPDX-License-Identifier: MIT */
#include "sim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct coil_link inodes = {&inodes, &inodes};
static unsigned count;
static bool was_cut; /* the next world finds what is left */

static struct coil__sim_inode *inode_of(struct coil_link *link)
{
    return coil__container_of(link, struct coil__sim_inode, link);
}

static void free_inode(struct coil__sim_inode *inode)
{
    coil__list_remove(&inode->link);
    free(inode->data);
    free(inode->durable);
    free(inode->unsynced);
    free(inode);
}

/* Of what a power cut has left, files without a name; else all. */
static void free_inodes(bool all)
{
    struct coil_link *next;
    for (struct coil_link *link = inodes.next; link != &inodes; link = next) {
        next = link->next;
        if (all || !inode_of(link)->named)
            free_inode(inode_of(link));
    }
}

/* What a cut has left is found by a world that keeps its power. */
void coil__sim_disk_open(void)
{
    if (coil__sim.knobs.power > 0 && !was_cut)
        coil__sim.cut_at = 1 + coil__sim_below(coil__sim.knobs.power);
    free_inodes(!was_cut);
    was_cut = false;
    if (coil__list_empty(&inodes))
        count = 0; /* what the process simulated before is of no account */
}

void coil__sim_disk_close(void)
{
    free_inodes(!was_cut);
}

struct coil__sim_inode *coil__sim_disk_make(const char *path)
{
    size_t len = strlen(path) + 1;
    struct coil__sim_inode *inode = malloc(sizeof(*inode) + len);
    if (inode == NULL)
        return NULL;
    *inode = (struct coil__sim_inode){.number = ++count};
    memcpy(inode->path, path, len);
    coil__list_append(&inodes, &inode->link);
    return inode;
}

static bool read_all(int fd, char *to, size_t len)
{
    size_t done = 0;
    while (done < len) { /* ends: each round reads bytes, or is the last */
        ssize_t n = read(fd, to + done, len - done);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Copies a regular file of the machine's. */
static struct coil__sim_inode *take_over(const char *path)
{
    struct coil__sim_inode *inode = NULL;
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode))
        goto close_file;
    inode = coil__sim_disk_make(path);
    if (inode == NULL)
        goto close_file;
    if (coil__sim_disk_resize(inode, (size_t)stat.st_size) < 0 ||
        !read_all(fd, inode->data, inode->size)) {
        free_inode(inode);
        inode = NULL;
        goto close_file;
    }
    coil__sim_disk_touch(inode, 0, inode->size);
    coil__sim_disk_sync(inode, false);
    inode->named = true;
close_file:
    close(fd);
    return inode;
}

struct coil__sim_inode *coil__sim_disk_find(const char *path)
{
    for (struct coil_link *link = inodes.next; link != &inodes; link = link->next) {
        if (strcmp(inode_of(link)->path, path) == 0)
            return inode_of(link);
    }
    return take_over(path);
}

/* A copy of `old` with room for more, zeros behind. */
static void *grow(void *old, size_t room, size_t new_room)
{
    char *memory = calloc(1, new_room);
    if (memory != NULL && old != NULL)
        memcpy(memory, old, room);
    return memory;
}

static int make_room(struct coil__sim_inode *inode, size_t size)
{
    size_t room = inode->room > 0 ? inode->room : 4096;
    while (room < size) /* ends: `size` is far from its limit, see coil__sim_disk_resize() */
        room *= 2;
    if (room == inode->room)
        return 0;
    char *data = grow(inode->data, inode->room, room);
    char *durable = grow(inode->durable, inode->room, room);
    unsigned char *unsynced =
        grow(inode->unsynced, inode->room / COIL__SIM_SECTOR, room / COIL__SIM_SECTOR);
    if (data == NULL || durable == NULL || unsynced == NULL) {
        free(data);
        free(durable);
        free(unsynced);
        return -ENOSPC;
    }
    free(inode->data);
    free(inode->durable);
    free(inode->unsynced);
    inode->data = data;
    inode->durable = durable;
    inode->unsynced = unsynced;
    inode->room = room;
    return 0;
}

int coil__sim_disk_resize(struct coil__sim_inode *inode, size_t size)
{
    static const size_t most = (size_t)1 << 32;
    if (size > most)
        return -ENOSPC;
    int err = make_room(inode, size);
    if (err < 0)
        return err;
    if (size < inode->size) {
        memset(inode->data + size, 0, inode->size - size);
        coil__sim_disk_touch(inode, size, inode->size - size);
    }
    inode->size = size;
    return 0;
}

void coil__sim_disk_touch(struct coil__sim_inode *inode, size_t offset, size_t len)
{
    if (len == 0)
        return;
    size_t first = offset / COIL__SIM_SECTOR;
    size_t last = (offset + len - 1) / COIL__SIM_SECTOR;
    memset(inode->unsynced + first, 1, last - first + 1);
}

/* Carries the unsynced sectors that `chosen` picks over to the durable image. */
static void carry_over(struct coil__sim_inode *inode, bool (*chosen)(void))
{
    for (size_t sector = 0; sector < inode->room / COIL__SIM_SECTOR; sector++) {
        size_t at = sector * COIL__SIM_SECTOR;
        if (inode->unsynced[sector] != 0 && chosen())
            memcpy(inode->durable + at, inode->data + at, COIL__SIM_SECTOR);
        inode->unsynced[sector] = 0;
    }
}

static bool always(void)
{
    return true;
}

static bool never(void)
{
    return false;
}

static bool by_chance(void)
{
    return coil__sim_below(2) == 0;
}

void coil__sim_disk_sync(struct coil__sim_inode *inode, bool fails)
{
    carry_over(inode, fails ? never : always);
    if (!fails)
        inode->durable_size = inode->size;
}

void coil__sim_disk_sync_names(const char *directory, bool fails)
{
    size_t len = strcmp(directory, "/") != 0 ? strlen(directory) : 0;
    for (struct coil_link *link = inodes.next; link != &inodes; link = link->next) {
        struct coil__sim_inode *inode = inode_of(link);
        size_t parent = (size_t)(strrchr(inode->path, '/') - inode->path);
        if (parent != len || strncmp(inode->path, directory, len) != 0 || inode->named)
            continue;
        inode->nameless = inode->nameless || fails;
        inode->named = !inode->nameless;
    }
}

static void cut(struct coil__sim_inode *inode)
{
    carry_over(inode, by_chance);
    if (inode->size != inode->durable_size && by_chance())
        inode->durable_size = inode->size;
    if (inode->room > 0) {
        memset(inode->durable + inode->durable_size, 0, inode->room - inode->durable_size);
        memcpy(inode->data, inode->durable, inode->room);
    }
    inode->size = inode->durable_size;
    inode->named = inode->named || (!inode->nameless && by_chance());
}

/* Open files keep what has lost its name until they are closed. */
void coil__sim_disk_cut(void)
{
    for (struct coil_link *link = inodes.next; link != &inodes; link = link->next)
        cut(inode_of(link));
    was_cut = true;
}

void coil_sim_crash(void)
{
    if (!coil__sim.runs || coil__sim.cut)
        return;
    coil__sim_record(0, COIL__FACT_NOTE, 0, "end of", "power", coil__sim.op_count, 0, 0);
    coil__sim_disk_cut();
    coil__sim_cut_ops();
}

/* While cores begin or end it waits for them: each has to hear of it. */
static void power_fails(struct coil__sim_event *event)
{
    for (unsigned i = 0; i < coil__sim.core_count; i++) {
        if (coil__sim.rings[i] == NULL) {
            coil__sim_plan(event, COIL_USEC);
            return;
        }
    }
    coil_sim_crash();
}

void coil__sim_power_plan(void)
{
    static struct coil__sim_event event;
    event = (struct coil__sim_event){.fire = power_fails};
    coil__sim_plan(&event, 0);
}
