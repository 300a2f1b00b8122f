/* SPDX-License-Identifier: MIT */
/* What a SIGSEGV says and does: in a guard, elsewhere, and with others who want it too. */
#include "coro/coroutines.h"
#include "support/sanitizer.h"

extern "C" {
#include "coro/fault.h"
}

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <type_traits>

using namespace coil_test;

namespace {

/* The SIGSEGV handler and this thread's stack for it, as a core has them. */
class Handler {
public:
    Handler()
    {
        EXPECT_EQ(0, coil__fault_open());
        EXPECT_EQ(0, coil__fault_stack_open(&stack_));
    }

    ~Handler()
    {
        coil__fault_stack_close(&stack_);
        coil__fault_close();
    }

    Handler(const Handler &) = delete;
    Handler &operator=(const Handler &) = delete;

private:
    coil__fault_stack stack_;
};

const char kOverflowLine[] = "^coil: stack overflow in coroutine 'echo \\(echo_server\\.c:34\\)': "
                             "address 0x[0-9a-f]+, guard 0x[0-9a-f]+000-0x[0-9a-f]+000: "
                             "raise coil_options\\.stack_size \\(now 131072\\)\n$";

/* In the child of a death test: `body` in a coroutine on a core whose handler comes after the
 * system's own default, also where a sanitizer has a handler. */
void run_in_coroutine(Callable<void> body, bool guards_by_mprotect = false)
{
    take_default_action();
    Handler handler;
    Coroutines coroutines;
    coroutines.stacks()->guards_by_mprotect = guards_by_mprotect;
    coroutines.spawn(std::move(body), "echo (echo_server.c:34)");
    coroutines.run();
    _exit(0);
}

void overflow()
{
    recurse(1 << 30);
}

/* Its far end lies beyond the guard; the compiler has to touch the pages on the way there. */
__attribute__((noinline)) void overflow_by_one_frame()
{
    char frame[200 << 10];
    *static_cast<volatile char *>(frame) = 1;
    asm volatile("" : : "r"(frame) : "memory"); /* else it would be optimized away */
}

/* Close to address 0, where nothing is ever mapped. */
char *volatile unmapped = reinterpret_cast<char *>(64);

void touch_unmapped()
{
    *static_cast<volatile char *>(unmapped) = 1;
}

TEST(Fault, InAGuardNamesTheCoroutineAndDiesBySigsegv)
{
    EXPECT_EXIT(run_in_coroutine(overflow), testing::KilledBySignal(SIGSEGV), kOverflowLine);
}

TEST(Fault, InAGuardByMprotectNamesTheCoroutineToo)
{
    EXPECT_EXIT(run_in_coroutine(overflow, true), testing::KilledBySignal(SIGSEGV), kOverflowLine);
}

TEST(Fault, OfAFrameLargerThanStackAndGuardHitsTheGuard)
{
    EXPECT_EXIT(run_in_coroutine(overflow_by_one_frame), testing::KilledBySignal(SIGSEGV),
                kOverflowLine);
}

TEST(Fault, OfACoroutineWithoutANameIsReportedAsWell)
{
    auto body = [] {
        coil__self()->name = nullptr;
        overflow();
    };
    EXPECT_EXIT(run_in_coroutine(body), testing::KilledBySignal(SIGSEGV), "coroutine 'unnamed': ");
}

TEST(Fault, LineOfACoroutineWithAVeryLongNameIsCutOff)
{
    static std::string name(10000, 'x');
    auto body = [] {
        coil__self()->name = name.c_str();
        overflow();
    };
    EXPECT_EXIT(run_in_coroutine(body), testing::KilledBySignal(SIGSEGV), "^coil: [^\n]*xxx\n$");
}

TEST(Fault, InTheGuardOfAnotherSaysWhoWasRunning)
{
    auto body = [] {
        static coil_task *other;
        other = coil__task_start(
            coil__sched, 0, [](coil_task *) {}, 0);
        other->name = "victim";
        auto *bottom = static_cast<char *>(coil__stack_bottom(&coil__sched->stacks, other));
        *static_cast<volatile char *>(bottom - 1) = 1;
    };
    EXPECT_EXIT(run_in_coroutine(body), testing::KilledBySignal(SIGSEGV),
                "coroutine 'victim': .*; running: 'echo ");
}

TEST(Fault, OnAnotherThreadIsReportedThere)
{
    auto on_a_thread = [] { std::thread([] { run_in_coroutine(overflow); }).join(); };
    EXPECT_EXIT(on_a_thread(), testing::KilledBySignal(SIGSEGV), kOverflowLine);
}

TEST(Fault, ElsewhereDiesSilentlyBySigsegv)
{
    EXPECT_EXIT(run_in_coroutine(touch_unmapped), testing::KilledBySignal(SIGSEGV), "^$");
}

TEST(Fault, ThatIsNoneButASentSignalDiesBySigsegv)
{
    auto body = [] { kill(getpid(), SIGSEGV); };
    EXPECT_EXIT(run_in_coroutine(body), testing::KilledBySignal(SIGSEGV), "^$");
}

/* A sent signal may carry anything; this one an address in the sender's own guard. */
void send_signal_with_address_in_guard()
{
    auto *bottom = static_cast<char *>(coil__stack_bottom(&coil__sched->stacks, coil__self()));
    siginfo_t info = {};
    info.si_signo = SIGSEGV;
    info.si_code = SI_QUEUE;
    info.si_addr = bottom - 1;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGSEGV, &info);
}

TEST(Fault, ThatIsASentSignalIsNoOverflowWhateverItCarries)
{
    EXPECT_EXIT(run_in_coroutine(send_signal_with_address_in_guard),
                testing::KilledBySignal(SIGSEGV), "^$");
}

/* Handlers that were there before coil's. */

void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

void say_and_exit(int)
{
    say("previous handler\n");
    _exit(7);
}

void say_and_exit_with_info(int, siginfo_t *info, void *context)
{
    bool as_from_the_kernel =
        info->si_addr == unmapped && info->si_code == SEGV_MAPERR && context != nullptr;
    say(as_from_the_kernel ? "previous handler\n" : "wrong arguments\n");
    _exit(7);
}

void set_handler(void (*handler)(int), int flags = 0)
{
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGSEGV, &action, nullptr);
}

void set_handler(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
}

/* As run_in_coroutine(), with a handler from before. */
template <typename Function>
void run_after_handler(Function handler, Callable<void> body, int flags = 0)
{
    leave_no_core();
    if constexpr (std::is_same_v<Function, void (*)(int)>)
        set_handler(handler, flags);
    else
        set_handler(handler);
    Handler coil_handler;
    Coroutines coroutines;
    coroutines.spawn(std::move(body), "echo (echo_server.c:34)");
    coroutines.run();
    _exit(0);
}

TEST(Fault, ElsewhereGoesToThePreviousHandler)
{
    EXPECT_EXIT(run_after_handler(&say_and_exit, touch_unmapped), testing::ExitedWithCode(7),
                "^previous handler\n$");
    EXPECT_EXIT(run_after_handler(&say_and_exit_with_info, touch_unmapped),
                testing::ExitedWithCode(7), "^previous handler\n$");
}

TEST(Fault, ThatIsASentSignalGoesToThePreviousHandler)
{
    auto body = [] { kill(getpid(), SIGSEGV); };
    EXPECT_EXIT(run_after_handler(&say_and_exit, body), testing::ExitedWithCode(7),
                "^previous handler\n$");
}

TEST(Fault, InAGuardIsNamedBeforeThePreviousHandlerHasIt)
{
    EXPECT_EXIT(run_after_handler(&say_and_exit, overflow, SA_ONSTACK), testing::ExitedWithCode(7),
                "^coil: stack overflow in coroutine 'echo [^\n]*\nprevious handler\n$");
}

TEST(Fault, InAGuardIsNamedBeforeASanitizerReportsIt)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with AddressSanitizer";
    struct sigaction sanitizer;
    sigaction(SIGSEGV, nullptr, &sanitizer);
    EXPECT_EXIT(run_after_handler(sanitizer.sa_sigaction, overflow), testing::ExitedWithCode(1),
                "^coil: stack overflow in coroutine 'echo [^\n]*\n.*AddressSanitizer");
}

TEST(Fault, InAGuardKillsWhenThePreviousHandlerHasNoStackOfItsOwn)
{
    EXPECT_EXIT(run_after_handler(&say_and_exit, overflow), testing::KilledBySignal(SIGSEGV),
                kOverflowLine);
}

char *volatile mended_page;

void mend_page(int)
{
    say("mended\n");
    mprotect(mended_page, 4096, PROT_READ | PROT_WRITE);
}

TEST(Fault, ThatThePreviousHandlerMendsDoesNotDisarmTheGuards)
{
    auto body = [] {
        mended_page =
            static_cast<char *>(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        *static_cast<volatile char *>(mended_page) = 1;
        overflow();
    };
    EXPECT_EXIT(run_after_handler(&mend_page, body), testing::KilledBySignal(SIGSEGV),
                "^mended\ncoil: stack overflow");
}

void say_once(int)
{
    say("once\n");
}

TEST(Fault, GoesToAHandlerForOneFaultOnlyOnce)
{
    EXPECT_EXIT(run_after_handler(&say_once, touch_unmapped, int(SA_RESETHAND)),
                testing::KilledBySignal(SIGSEGV), "^once\n$");
}

TEST(Fault, ThatIsIgnoredKillsAllTheSame)
{
    EXPECT_EXIT(run_after_handler(SIG_IGN, touch_unmapped), testing::KilledBySignal(SIGSEGV), "^$");
}

/* Opening and closing. */

class FaultHandler : public testing::Test {
protected:
    void SetUp() override { sigaction(SIGSEGV, nullptr, &before_); }
    void TearDown() override { sigaction(SIGSEGV, &before_, nullptr); }

    static void (*current())(int)
    {
        struct sigaction action;
        sigaction(SIGSEGV, nullptr, &action);
        return action.sa_handler;
    }

    struct sigaction before_;
};

TEST_F(FaultHandler, IsReplacedByThePreviousOneAtTheLastClose)
{
    set_handler(say_and_exit);
    ASSERT_EQ(0, coil__fault_open());
    ASSERT_EQ(0, coil__fault_open());
    EXPECT_NE(say_and_exit, current());
    coil__fault_close();
    EXPECT_NE(say_and_exit, current());
    coil__fault_close();
    EXPECT_EQ(say_and_exit, current());
}

TEST_F(FaultHandler, LeavesAHandlerAloneThatWasSetAfterIt)
{
    ASSERT_EQ(0, coil__fault_open());
    set_handler(say_once);
    coil__fault_close();
    EXPECT_EQ(say_once, current());
}

stack_t current_signal_stack()
{
    stack_t stack;
    EXPECT_EQ(0, sigaltstack(nullptr, &stack));
    return stack;
}

TEST(FaultStack, IsReplacedByThePreviousOneAtTheEnd)
{
    stack_t before = current_signal_stack();
    char memory[64 << 10];
    stack_t mine = {memory, 0, sizeof(memory)};
    ASSERT_EQ(0, sigaltstack(&mine, nullptr));

    coil__fault_stack stack;
    ASSERT_EQ(0, coil__fault_stack_open(&stack));
    EXPECT_EQ(stack.memory, current_signal_stack().ss_sp);
    coil__fault_stack_close(&stack);
    EXPECT_EQ(memory, current_signal_stack().ss_sp);
    sigaltstack(&before, nullptr);
}

TEST(FaultStack, LeavesOneAloneThatWasSetAfterIt)
{
    stack_t before = current_signal_stack();
    coil__fault_stack stack;
    ASSERT_EQ(0, coil__fault_stack_open(&stack));
    char memory[64 << 10];
    stack_t mine = {memory, 0, sizeof(memory)};
    ASSERT_EQ(0, sigaltstack(&mine, nullptr));
    coil__fault_stack_close(&stack);
    EXPECT_EQ(memory, current_signal_stack().ss_sp);
    sigaltstack(&before, nullptr);
}

} // namespace
