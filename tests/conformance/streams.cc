/* SPDX-License-Identifier: MIT */
/* Connections: data, its end, and what comes after. */
#include "conformance/script.h"

namespace conformance {

const Scripts kStreamScripts = {
    {"StreamEndsAfterItsData", R"(
        tcp c s
        send c hello
        shutdown c wr
        recv s 3 waitall
        recv s 10 waitall
        recv s 10
        recv s 10 dontwait
    )"},
    {"StreamIsHalfClosed", R"(
        tcp c s
        shutdown c wr
        recv s 10
        send s answer
        recv c 6 waitall
        send c more
        shutdown s wr
        recv c 10
    )"},
    {"StreamUnixIsHalfClosed", R"(
        unix c s
        shutdown c wr
        recv s 10
        send s answer
        recv c 6 waitall
        send c more
    )"},
    {"StreamPeerClosedAfterItsData", R"(
        tcp c s
        send c last
        close c
        poll s rdhup
        recv s 10
        recv s 10
        recv s 10
    )"},
    {"StreamSendsIntoWhatIsClosed", R"(
        tcp c s
        close c
        poll s rdhup
        send s one
        poll s hup
        send s two
        send s three
        recv s 10
    )"},
    {"StreamIsResetByUnreadData", R"(
        tcp c s
        send c unread
        poll s in
        close s
        poll c hup
        recv c 10
        recv c 10
        send c more
    )"},
    {"StreamResetIsToldToSend", R"(
        tcp c s
        send c unread
        poll s in
        close s
        poll c hup
        send c more
        send c more
        recv c 10
    )"},
    {"StreamResetByLinger", R"(
        tcp c s
        linger c
        close c
        poll s hup
        recv s 10
        recv s 10
    )"},
    {"StreamReceiveWaitsUntilReset", R"(
        tcp c s
        begin r recv c 10
        send c unread
        poll s in
        close s
        await r
        recv c 10
    )"},
    {"StreamUnixPeerCloses", R"(
        unix c s
        send c hello
        close c
        recv s 10
        recv s 10
        send s back
    )"},
    {"StreamUnixPeerClosesWithUnread", R"(
        unix c s
        send s unread
        poll c in
        close c
        poll s hup
        recv s 10
        recv s 10
        send s back
    )"},
    {"StreamPeeks", R"(
        tcp c s
        send c hello
        recv s 3 peek
        recv s 10 peek
        recv s 10 peek waitall
        recvmsg s 4,4 peek waitall
        recv s 10
        recv s 10 dontwait
        recv s 10 peek dontwait
    )"},
    {"StreamDontWait", R"(
        tcp c s
        recv s 10 dontwait
        send c ab
        poll s in
        recv s 10 dontwait
        recv s 10 dontwait
    )"},
    {"StreamWaitAll", R"(
        tcp c s
        begin r recv s 6 waitall
        send c abc
        settle
        done r
        send c def
        await r
    )"},
    {"StreamWaitAllUntilTheEnd", R"(
        tcp c s
        begin r recv s 6 waitall
        send c abc
        settle
        shutdown c wr
        await r
        recv s 6 waitall
    )"},
    {"StreamWaitAllIsTimedOut", R"(
        tcp c s
        send c abc
        poll s in
        within 5 recv s 6 waitall
        recv s 6 dontwait
    )"},
    {"StreamOfNoBytes", R"(
        tcp c s
        send c ''
        recv s 10 dontwait
        recv s 0 dontwait
        send c x
        poll s in
        recv s 0
        recv s 10
        shutdown c wr
        recv s 0
    )"},
    {"StreamReceiverShutsDown", R"(
        tcp c s
        shutdown s rd
        recv s 10
        poll s in
    )"},
    {"StreamReceiverIsWokenByItsOwnShutdown", R"(
        tcp c s
        begin r recv s 10
        settle
        done r
        shutdown s rd
        await r
    )"},
    {"StreamShutdownAgain", R"(
        tcp c s
        shutdown c wr
        shutdown c wr
        shutdown c rd
        shutdown c rdwr
        shutdown c wrong
    )"},
    {"StreamMovesMuchThroughAFullWindow", R"(
        tcp c s
        begin w send c *300000 waitall
        recv s 300000 waitall
        await w
    )"},
    {"StreamMovesMuchWithoutACopy", R"(
        tcp c s
        begin w send_zc c *300000 waitall
        recv s 300000 waitall
        await w
        send_zc c ''
        send_zc c hello
        shutdown c wr
        recv s 10
        send_zc c more
        recv s 10
    )"},
    {"StreamMovesWithACopyOverUnix", R"(
        unix c s
        begin w send_zc c *300000 waitall
        recv s 300000 waitall
        await w
        close s
        send_zc c more
    )"},
    {"StreamSendsWithoutACopyIntoWhatIsClosed", R"(
        tcp c s
        close c
        poll s rdhup
        send_zc s one
        poll s hup
        send_zc s two
        send_zc s three
        recv s 10
    )"},
    {"StreamResetIsToldToSendWithoutACopy", R"(
        tcp c s
        send c unread
        poll s in
        close s
        poll c hup
        send_zc c more
        send_zc c more
        recv c 10
    )"},
    {"StreamMovesMuchOverUnix", R"(
        unix c s
        begin w send c *300000 waitall
        recv s 300000 waitall
        await w
    )"},
    {"StreamReadsAndWritesLikeAFile", R"(
        tcp c s
        write c abc
        read s 3
        writev c de,fg,h
        readv s 2,3
        pread s 3 7
        pwrite c xyz 7
    )"},
    {"StreamSix", R"(
        tcp6 c s
        send c six
        recv s 10
        close c
        recv s 10
    )"},
    {"StreamConnectsTwice", R"(
        tcp c s
        connect c of:s
        send c still
        recv s 5 waitall
    )"},
    {"PipeCarriesAndEnds", R"(
        pipe r w
        write w hello
        read r 3
        read r 10
        begin late read r 10
        settle
        done late
        write w x
        await late
        close w
        read r 10
    )"},
    {"PipeWithoutReader", R"(
        pipe r w
        close r
        poll w err
        write w lost
    )"},
    {"PipeInPieces", R"(
        pipe r w
        writev w ab,cde
        readv r 1,1,1
        readv r 10,10
        pwrite w abc 7
        pread r 3 5
    )"},
};

} // namespace conformance
