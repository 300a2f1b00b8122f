/* SPDX-License-Identifier: MIT */
/*
 * The simulator: any program on coil, unmodified, in a world that a seed decides.
 *
 *     COIL_RING=sim:SEED[,faults=off|mild|harsh][,KNOB=N]... program ...
 *
 * SEED is any number of 64 bits, in decimal, or in hexadecimal with 0x.
 *
 * All cores run on one thread, turn by turn as the seed wants it; the kernel is simulated, and so
 * is the time: the clock begins at 1 s, and jumps to the next event when everybody waits, so that a
 * month of sleep takes no time. What operations do, when they end and in which order follows from
 * the seed alone: the same program with the same seed does the same again, which the last line on
 * stderr shows:
 *
 *     coil: sim seed SEED trace HASH
 *
 * When the program fails, by SIGSEGV, abort() and the like, a status other than 0, a deadlock
 * or a finding of a sanitizer, it says once, on stderr, how to see that again:
 *
 *     coil: sim seed SEED: to see it again: COIL_RING=sim:SEED program ...
 *
 *     faults=off     the world is kind: what is asked for is done at once and completely
 *     faults=mild    (the default) all that a healthy kernel may do: late completions, cancels
 *                    that miss, completion queues that overflow, which in a quarter of the worlds
 *                    are as short as they may be
 *     faults=harsh   and what happens on bad days: operations fail with every error that Linux may
 *                    give for them, and with no other; what a failure does is done
 *     descriptors=N  how many the process may have (1024)
 *     partition=N    one thing sent in N begins a partition, see below (harsh: 5000; else 0: none)
 *     silence=N      one thing sent in N is the last on its connection, see below (0: none)
 *     power=N        the power is cut at one of the first N operations, as by coil_sim_crash() (0:
 *                    it is not); but never in a world that begins with what a cut has left, so that
 *                    a program that runs again then goes on
 *
 * COIL_SIM_TRACE=1 in the environment prints what happens, one line each, on stderr.
 *
 * The network is all inside: TCP, UDP and Unix sockets, between coroutines of this program. What is
 * sent arrives later, in order only within a connection; datagrams overtake each other, but for
 * those of Unix sockets. The name of a Unix socket is no file, and goes with it. Transfers may be
 * short. The memory of a receive is scribbled on until it has ended, and that of a send is read
 * late, that of a coil_send_zc() even when its peer receives: who touches it too early finds out.
 * Descriptors begin at 1000. Those below are the process's own, like stdin or a pipe or socket that
 * it made by itself: what is done with them is done for real, and what that finds is not decided by
 * the seed. Faults: mild, short transfers, multishot operations that end, by chance and whenever
 * the completion queue is full, and receives that find no shared buffer; harsh, connections that
 * are reset, aborted or refused, that time out after the 127 s for which the kernel asks again,
 * networks and hosts that can't be reached, no memory, no descriptor or port left in the machine,
 * paths that may not be gone along, and datagrams that are lost.
 *
 * A partition splits the ports, as if each were a host, in two sides, for up to three minutes. What
 * is sent between them over a connection is held, and arrives when it is sent again some time after
 * the end; datagrams are lost; connects ask again after 1, 2, 4 ... s, and time out after 127. A
 * connection that falls silent has lost its peer for ever, at either end, as by a power cut: no end
 * and no reset ever comes. What is sent is accepted until the window is full, and 15 min 25 s after
 * the first of it the sender hears of -ETIMEDOUT, as Linux has it; harsh, also of -EHOSTUNREACH or
 * -ENETUNREACH, which somebody on the way has said. Who only receives waits for ever, unless it has
 * set SO_KEEPALIVE (2 h 11 min 15 s, or as TCP_KEEPIDLE and the like say); TCP_USER_TIMEOUT is
 * heeded. Silence is a knob of its own since a program that waits without any time-out then ends in
 * a deadlock, and rightly so. Neither happens with faults=off, nor to Unix sockets.
 *
 * Files are in memory, and begin empty. One of the machine's that a program opens is copied in;
 * none is ever changed. Faults: mild, short transfers; harsh, -EIO, -ENOSPC and -EDQUOT, of a write
 * also behind a part that was written, and of a close, as well as -EINTR, which closes
 * nevertheless; -EROFS, as of a file system that has just failed; -EACCES and -EINTR of an open;
 * and an fsync that fails, after which what was written, or a name in that directory, is not
 * durable, however often it is repeated.
 *
 * A future that outlives the function whose variable it was stops the program, as a rule as soon as
 * its coroutine waits further up than that, if not then when its operation ends, whether that
 * memory is nobody's or looks like another's. So does one whose memory was used for something else,
 * or that was started again, while its operation was in flight. Not seen is one whose block has
 * ended while its function goes on, and has not used that memory.
 *
 * The world is closed: when all coroutines wait for something that nobody in it will ever do, that
 * is a deadlock, and reported as coil_run() does (coil/runtime.h), also when operations are in
 * flight. Threads of the program are somebody while a promise or a signal is waited for, or a port
 * is open. COIL_CORES is 2 there by default, whatever the machine has.
 *
 * coil_yield_if_needed() always yields: wherever others may come in between, they do.
 *
 * Work that is offloaded runs on the same thread, between two turns, when the seed says: it may
 * compute, read files and set promises, but not wait for what a coroutine does. Names are numbers
 * and "localhost"; there are no others, and nobody is asked. Faults: harsh, lookups without an
 * answer, and no thread for work.
 *
 * Threads of the program share the clock, as it was at the cores' last turn, and later with each
 * look; to them coil_sim_random() is 0 and COIL_BUGGIFY() false.
 *
 * A program is not the same again if it asks others than coil: for the time, for chance, or for
 * where its memory lies; or if it has threads of its own.
 */
#ifndef COIL_SIM_H
#define COIL_SIM_H

#include <coil/base.h>

#include <stdbool.h>
#include <stdint.h>

COIL_BEGIN_DECLS

/* How bad the world is. */
enum coil_sim_faults { COIL_SIM_FAULTS_OFF, COIL_SIM_FAULTS_MILD, COIL_SIM_FAULTS_HARSH };

/* Whether this is a simulation: inside coil_run() only, else false. */
bool coil_sim_running(void);

/* Makes the world so bad from now on; what is under way stays as it is. For two phases: faults,
 * then none, and everything must come to an end. Outside a simulation nothing happens. */
void coil_sim_set_faults(enum coil_sim_faults faults);

/*
 * Cuts the power, from a coroutine. Nothing is done any more from then on: what is in flight, and
 * all that begins later, ends with -ECANCELED, and all coroutines are cancelled, so that coil_run()
 * soon returns. The next simulation of this process finds the disk as the cut left it: of each file
 * what was synced; of each sector (512 bytes) that was written since, either that or what it was
 * before; and a file made since its directory was last synced may be missing. Outside nothing
 * happens.
 */
void coil_sim_crash(void);

/* The seed of the simulation that runs or has run last, and the hash of its trace so far. 0: none
 * has run. */
uint64_t coil_sim_seed(void);
uint64_t coil_sim_trace(void);

/* A number that the seed decides; 0 outside a simulation. */
uint64_t coil_sim_random(void);

/*
 * True now and then in a simulation with faults, never outside: there a program may do what is
 * allowed and rarely happens, like a short batch, a small buffer or an early time-out. Each place
 * is on in a quarter of the seeds, and there in a quarter of the times.
 */
#define COIL_BUGGIFY() coil__sim_buggify(__func__, __LINE__)

/* private: behind COIL_BUGGIFY() */
bool coil__sim_buggify(const char *function, int line);

COIL_END_DECLS

#endif
