/* SPDX-License-Identifier: MIT */
#include "conformance/script.h"

namespace conformance {

const Scripts kMessageScripts = {};

} // namespace conformance
