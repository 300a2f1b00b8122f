/* SPDX-License-Identifier: MIT */
/* The driver that simulates (include/coil/sim.h): a ring in private memory on a simulated kernel.
 */
#include "sim/bell.h"
#include "sim/frame.h"
#include "sim/op.h"
#include "sim/replay.h"
#include "sim/socket.h"
#include "sim/stage.h"
#include "sim/work.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CQ_FACTOR = 8, SQ_MAX = 32768 };

/* What entering the kernel takes, and each entry. */
static const int64_t enter_takes = 400;
static const int64_t entry_takes = 50;

static struct coil__sim_ring *sim_of(const struct coil__ring *ring)
{
    return coil__sim.rings[ring->uring.ring_fd];
}

static unsigned power_of(unsigned number)
{
    unsigned power = 1;
    while (power < number) /* ends: `number` is at most SQ_MAX, a power itself */
        power <<= 1;
    return power;
}

/* One block: the ring, its entries, its completions. */
static struct coil__sim_ring *make(unsigned entries, unsigned cq_entries)
{
    size_t sqes = entries * sizeof(struct io_uring_sqe);
    size_t cqes = cq_entries * sizeof(struct io_uring_cqe);
    size_t head = (sizeof(struct coil__sim_ring) + 63) & ~(size_t)63;
    struct coil__sim_ring *sim = aligned_alloc(64, (head + sqes + cqes + 63) & ~(size_t)63);
    if (sim == NULL)
        return NULL;
    memset(sim, 0, head + sqes + cqes);
    sim->entries = entries;
    sim->cq_entries = cq_entries;
    coil__list_init(&sim->ops);
    coil__list_init(&sim->overflow);
    for (unsigned i = 0; i < COIL__SIM_BUCKETS; i++)
        coil__list_init(&sim->by_user_data[i]);
    return sim;
}

/* What liburing's inline functions and ring.h look at. */
static void describe(struct coil__sim_ring *sim, struct io_uring *uring)
{
    size_t head = (sizeof(*sim) + 63) & ~(size_t)63;
    uring->sq.sqes = (void *)((char *)sim + head);
    uring->cq.cqes = (void *)(uring->sq.sqes + sim->entries);
    uring->sq.khead = &sim->sq_head;
    uring->sq.ktail = &sim->sq_tail;
    uring->sq.ring_mask = sim->entries - 1;
    uring->sq.ring_entries = sim->entries;
    uring->sq.kflags = &sim->sq_flags;
    uring->cq.khead = &sim->cq_head;
    uring->cq.ktail = &sim->cq_tail;
    uring->cq.ring_mask = sim->cq_entries - 1;
    uring->cq.ring_entries = sim->cq_entries;
    uring->ring_fd = (int)sim->id;
    uring->enter_ring_fd = (int)sim->id;
}

static int sim_open(struct coil__ring *ring, const struct coil__ring_options *options)
{
    coil__require(coil__sim.runs, "a simulated ring is opened by coil_run() alone");
    unsigned entries = power_of(options->entries < SQ_MAX ? options->entries : SQ_MAX);
    /* A short one overflows now and then; the kernel may make it so. */
    bool is_short = coil__sim_chance(COIL_SIM_FAULTS_MILD, 250000);
    struct coil__sim_ring *sim = make(entries, is_short ? entries : entries * CQ_FACTOR);
    if (sim == NULL)
        return -ENOMEM;
    sim->ring = ring;
    sim->id = coil__sim_stage_self();
    sim->deadline = COIL_FOREVER;
    coil__sim.rings[sim->id] = sim;
    describe(sim, &ring->uring);
    sim->sq_flags = IORING_SQ_TASKRUN; /* so that each turn enters: others have to get on */
    ring->full_at = entries;
    ring->has_bind = true;
    ring->has_multishot_recv = true;
    ring->has_send_zc = true;
    return 0;
}

static void sim_close(struct coil__ring *ring)
{
    struct coil__sim_ring *sim = sim_of(ring);
    coil__sim_drop_ops(sim);
    coil__sim.rings[sim->id] = NULL;
    free(sim);
}

/* Only a loop waits, and lets other cores run: a coroutine that fills the SQ just submits it. */
static int sim_enter(struct coil__ring *ring, unsigned submit, unsigned wait, coil_time deadline)
{
    struct coil__sim_ring *sim = sim_of(ring);
    coil__assert(submit == coil__ring_unsubmitted(ring));
    coil__sim.now += enter_takes + entry_takes * submit;
    coil__sim_submit(sim);
    coil__sim_flush(sim);
    if (coil__sched->current != &coil__sched->loop) {
        coil__sim_fire();
        return 0;
    }
    sim->waiting = wait > 0;
    sim->wait = wait;
    sim->deadline = wait > 0 ? deadline : COIL_FOREVER;
    coil__sim_stage_wait();
    sim->deadline = COIL_FOREVER;
    coil__sim_check_frames(sim);
    return 0;
}

static void sim_explain(const struct coil__ring *ring, int err)
{
    (void)ring;
    coil__log("the simulated ring failed: %s", strerror(-err));
}

static void sim_wake(struct coil__ring *ring, struct coil__ring *target)
{
    struct io_uring_sqe *sqe = coil__ring_sqe(ring);
    io_uring_prep_msg_ring(sqe, target->uring.ring_fd, 0, COIL__TAG_WAKE, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    coil__ring_push(ring, sqe, (uint64_t)(uintptr_t)target | COIL__TAG_UNHEARD);
}

static int sim_open_bell(struct coil__ring *ring)
{
    (void)ring;
    return 0;
}

static void sim_ring_bell(struct coil__ring *ring)
{
    coil__sim_bell_ring(sim_of(ring));
}

static void sim_arm_bell(struct coil__ring *ring)
{
    coil__sim_bell_arm(sim_of(ring));
}

static void sim_close_bell(struct coil__ring *ring)
{
    ring->has_bell = false;
    ring->bell_armed = false;
    coil__sim_bell_disarm(sim_of(ring));
}

static int sim_register_buffers(struct coil__ring *ring, struct io_uring_buf_ring *buffers,
                                unsigned entries)
{
    struct coil__sim_ring *sim = sim_of(ring);
    sim->buffers = buffers;
    sim->buffer_count = entries;
    sim->buffer_head = 0;
    return 0;
}

static int sim_unregister_buffers(struct coil__ring *ring)
{
    sim_of(ring)->buffers = NULL;
    return 0;
}

static int sim_check_file(int fd)
{
    return coil__sim_file_at(fd) == NULL ? -EBADF : 0;
}

const struct coil__ring_driver coil__ring_sim = {
    .name = "sim",
    .time_is_virtual = true,
    .usual_cores = 2,
    .stage = coil__sim_stage,
    .pause = coil__sim_stage_pause,
    .resume = coil__sim_stage_resume,
    .open = sim_open,
    .close = sim_close,
    .enter = sim_enter,
    .explain = sim_explain,
    .tell_replay = coil__sim_replay_tell,
    .wake = sim_wake,
    .open_bell = sim_open_bell,
    .ring_bell = sim_ring_bell,
    .arm_bell = sim_arm_bell,
    .close_bell = sim_close_bell,
    .now = coil__sim_now,
    .setsockopt = coil__sim_setsockopt,
    .getsockname = coil__sim_getsockname,
    .deafen = coil__sim_deafen,
    .add_job = coil__sim_work_add,
    .remove_job = coil__sim_work_remove,
    .getaddrinfo = coil__sim_getaddrinfo,
    .register_buffers = sim_register_buffers,
    .unregister_buffers = sim_unregister_buffers,
    .check_file = sim_check_file,
};
