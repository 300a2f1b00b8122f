/* SPDX-License-Identifier: MIT */
/*
 * Messages of the user's. A port is a door in front of a core's mailbox: whoever is inside holds up
 * its closing, so that neither the core nor its ring goes away under a thread that posts.
 */
#include "core/core.h"

#include <coil/port.h>

#include <errno.h>

int coil_post_core(unsigned core, struct coil_message *message)
{
    const struct coil__core *here = coil__core_here;
    coil__require(here != NULL, "coil_post_core: called by a thread that is no core");
    if (core >= here->run->options->core_count)
        return -EINVAL;
    if (here->finished)
        return -ESHUTDOWN;
    coil__core_post(here->run->cores[core], message);
    return 0;
}

int coil_port_open(struct coil_port *port)
{
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    coil__require(port->core == NULL, "coil_port_open: the port is open already");
    struct coil__core *core = coil__core_here;
    int err = coil__core_open_bell(core);
    if (err < 0)
        return err;
    core->outside++;
    port->core = core;
    port->run = core->run->number;
    coil__door_open(&port->door);
    return 0;
}

int coil_post(struct coil_port *port, struct coil_message *message)
{
    if (!coil__door_enter(&port->door))
        return -ESHUTDOWN;
    int err = 0;
    if (coil__core_here != NULL)
        coil__core_post_now(port->core, message); /* before anybody closes it */
    else if (coil__gate_is_open(port->run))
        coil__core_post_outside(port->core, message);
    else
        err = -ESHUTDOWN; /* a fork has taken the port with it, and no core */
    coil__door_leave(&port->door);
    return err;
}

/* The last message through a port: all others arrive before. */
struct last {
    struct coil_message message;
    bool arrived;
};

static void last_arrives(struct coil_message *message)
{
    coil__container_of(message, struct last, message)->arrived = true;
}

void coil_port_close(struct coil_port *port)
{
    if (port->core == NULL)
        return;
    struct coil_task *task = coil__self();
    struct coil__core *core = port->core;
    coil__require(core == coil__core_here, "coil_port_close: the port belongs to another core");
    coil__door_shut(&port->door);
    while (!coil__door_is_empty(&port->door)) /* ends: nobody waits inside */
        coil__task_yield(task);
    struct last last = {.message.deliver = last_arrives};
    coil__core_post(core, &last.message);
    while (!last.arrived) /* ends with the turn in which this core reads its mail */
        coil__task_yield(task);
    core->outside--;
    port->core = NULL;
}
