/* SPDX-License-Identifier: MIT */
/*
 * When nothing gets through. A partition splits the ports of all hosts in two sides for a while:
 * between them what TCP sends is held, and arrives when it is sent again after the end; datagrams
 * are lost, and connects knock in vain. A connection falls silent for ever, as when the host of
 * either end loses its power: each end may send until the window is full, and gives up as the
 * kernel does, if it ever does.
 */
#ifndef COIL_SIM_OUTAGE_H
#define COIL_SIM_OUTAGE_H

#include "sim/socket.h"

/* Begins with a world in which everything gets through. */
void coil__sim_outage_open(void);

/* When something is sent: whether a partition begins now, or the connection falls silent. */
void coil__sim_outage_draw(void);
void coil__sim_silence_draw(struct coil__sim_socket *socket);

/* Whether a partition is between the two. */
bool coil__sim_parted(const struct coil__sim_address *own, const struct sockaddr *other);

/* When what is sent to the socket gets there, if a partition holds it; else 0. */
coil_time coil__sim_held_until(const struct coil__sim_socket *to);

/* What a silent connection is given to send: bytes, or its end, which counts as one. */
void coil__sim_swallow(struct coil__sim_socket *socket, size_t len);

/* After what may have changed when a silent one gives up. */
void coil__sim_plan_giving_up(struct coil__sim_socket *socket);

#endif
