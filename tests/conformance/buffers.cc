/* SPDX-License-Identifier: MIT */
/* Receivers, whose data comes in buffers that all share. */
#include "conformance/script.h"

namespace conformance {

const Scripts kBufferScripts = {
    {"ReceiverTakesDataAndItsEnd", R"(
        tcp c s
        receiver x s
        send c hello
        lease x
        release x
        send c more
        lease x
        release x
        shutdown c wr
        lease x
        lease x
        end-receiver x
    )"},
    {"ReceiverTakesWhatCameBeforeIt", R"(
        tcp c s
        send c before
        shutdown c wr
        poll s rdhup
        receiver x s
        lease x
        lease x
        end-receiver x
        recv s 10
    )"},
    {"ReceiverReplies", R"(
        tcp c s
        receiver x s
        send c ping
        lease x
        reply x 4
        recv c 4 waitall
        send c again
        lease x
        reply x 5
        recv c 5 waitall
        end-receiver x
    )"},
    {"ReceiverIsReset", R"(
        tcp c s
        receiver x s
        send c hello
        lease x
        linger c
        close c
        lease x
        lease x
        release x
        end-receiver x
    )"},
    {"ReceiverWaitsForABuffer", R"(
        buffers 2 4096
        tcp c s
        receiver x s
        send c one
        lease x
        send c two
        lease x
        send c three
        within 5 lease x
        release x
        lease x
        release x
        release x
        end-receiver x
    )"},
    {"ReceiverTakesMuchInSmallBuffers", R"(
        buffers 4 64
        tcp c s
        send c *200
        poll s in
        settle
        receiver x s
        lease x
        release x
        lease x
        release x
        lease x
        release x
        lease x
        release x
        within 5 lease x
        end-receiver x
    )"},
    {"ReceiverIsTimedOutAndGoesOn", R"(
        tcp c s
        receiver x s
        within 3 lease x
        send c hello
        lease x
        release x
        end-receiver x
        send c rest
        recv s 4 waitall
    )"},
    {"ReceiverLosesItsNumber", R"(
        tcp c s
        receiver x s
        within 3 lease x
        close s
        lease x
        end-receiver x
    )"},
    {"ReceiverOfWhatIsNoStream", R"(
        open f file rdwr creat
        receiver x f
        lease x
        end-receiver x
        socket s inet stream
        receiver y s
        lease y
        end-receiver y
        receiver z 900
        lease z
        end-receiver z
    )"},
    {"ReceiverShutsItself", R"(
        tcp c s
        receiver x s
        within 3 lease x
        shutdown s rd
        lease x
        end-receiver x
    )"},
    {"ReceiverOfUnix", R"(
        unix c s
        receiver x s
        send c hello
        lease x
        release x
        close c
        lease x
        end-receiver x
    )"},
};

} // namespace conformance
