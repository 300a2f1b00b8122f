/* SPDX-License-Identifier: MIT */
/* Operations on the wrong kind of descriptor, in the wrong state, with the wrong arguments. */
#include "conformance/script.h"

namespace conformance {

const Scripts kMistakeScripts = {
    {"MistakeNoDescriptor", R"(
        read 900 1
        write 900 x
        pread 900 1 0
        pwrite 900 x 0
        recv 900 1
        send 900 x
        send_zc 900 x
        recvmsg 900 1
        sendmsg 900 x
        poll 900 in
        fsync 900
        fdatasync 900
        fstatx 900
        shutdown 900 rd
        connect 900 any
        bind 900 any
        listen 900 1
        accept 900 a
        close 900
        linger 900
    )"},
    {"MistakeCloseTwice", R"(
        tcp c s
        close c
        close c
        recv c 1
        send c x
        poll c in
        open f file rdwr creat
        close f
        close f
        read f 1
        write f x
    )"},
    {"MistakePipeAsSocket", R"(
        pipe r w
        recv r 1
        send w x
        send_zc w x
        recvmsg r 1
        sendmsg w x
        accept r a
        bind r any
        listen r 1
        connect r any
        shutdown w wr
        linger r
    )"},
    {"MistakePipeTheWrongWay", R"(
        pipe r w
        read w 1
        write r x
    )"},
    {"MistakeDatagramAsStream", R"(
        socket d inet dgram
        listen d 1
        accept d a
        shutdown d wr
        socket u unix dgram
        listen u 1
        accept u a
        shutdown u wr
    )"},
    {"MistakeSocketOfNoKind", R"(
        socket s wrong stream
        socket s inet wrong
        socket s unix wrong
        socket s inet6 stream
    )"},
    {"MistakeNotConnected", R"(
        socket s inet stream
        shutdown s rd
        recv s 1
        send s x
        send_zc s x
        read s 1
        write s x
        recv s 0
        recv s 1 dontwait
        socket u unix stream
        shutdown u rd
        recv u 1
        send u x
        send_zc u x
        read u 1
        write u x
    )"},
    {"MistakeListenerAsConnection", R"(
        socket l inet stream
        bind l any
        listen l 1
        recv l 1
        send l x
        read l 1
        write l x
        recv l 1 dontwait
        shutdown l wr
        socket u unix stream
        bind u @u
        listen u 1
        recv u 1
        send u x
    )"},
    {"MistakeConnectAgain", R"(
        tcp c s
        connect s of:c
        listen c 1
        bind c any
        unix u v
        connect u @connection
        listen u 1
        udp a b
        connect a of:a
    )"},
    {"MistakeUnixNameOfAnotherType", R"(
        socket l unix stream
        bind l @l
        socket a unix dgram
        connect a @l
        sendmsg a x to @l
        listen l 1
        connect a @l
        sendmsg a x to @l
        socket d unix dgram
        bind d name
        socket c unix stream
        connect c name
        connect a name
        send a x
        recv d 10
    )"},
    {"MistakeUnixNameOfNobody", R"(
        socket a unix dgram
        connect a @nobody
        connect a nofile
        sendmsg a x to @nobody
        sendmsg a x to nofile
        send a x
        unix-dgrams b c
        connect b @nobody
        send b x
        recv c 10
        close c
        send b x
        send b x
        recv b 10 dontwait
    )"},
    {"MistakeUnixDatagramUnwanted", R"(
        unix-dgrams a b
        socket c unix dgram
        connect c of:b
        sendmsg c x to of:b
        socket d unix dgram
        bind d @d
        connect c @d
        send c x
        connect d of:b
        connect d of:d
        send c x
        send c x
        shutdown b rd
        send a x
        recv b 10
    )"},
    {"NopAndSleep", R"(
        nop
        nop
        sleep 1
        sleep 0
        begin a nop
        begin b nop
        await b
        await a
    )"},
};

} // namespace conformance
