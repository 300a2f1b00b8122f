/* SPDX-License-Identifier: MIT */
/* A lambda as a value: std::function, of which a lambda takes two dozen functions to compile, was a
 * third of what the compiler was given in many a file of tests. */
#ifndef COIL_TESTS_SUPPORT_CALLABLE_H
#define COIL_TESTS_SUPPORT_CALLABLE_H

#include <memory>
#include <utility>

namespace coil_test {

/* Can be moved, not copied. One made without a lambda is assigned one before it is called. */
template <class Result> class Callable {
public:
    Callable() = default;

    template <class Function>
    Callable(Function function)
        : call_(call<Function>), function_(new Function(std::move(function)), destroy<Function>)
    {}

    Result operator()() const { return call_(function_.get()); }

private:
    template <class Function> static Result call(void *function)
    {
        return static_cast<Result>((*static_cast<Function *>(function))());
    }

    template <class Function> static void destroy(void *function)
    {
        delete static_cast<Function *>(function);
    }

    Result (*call_)(void *function) = nullptr;
    std::unique_ptr<void, void (*)(void *)> function_ = {nullptr, nullptr};
};

} // namespace coil_test

#endif
