/* Calls that are of rows and matrices, and of no step. */
#pragma once
#include <napi.h>

namespace golddiff {

Napi::Value moments(const Napi::CallbackInfo &info);
Napi::Value covariance(const Napi::CallbackInfo &info);
Napi::Value spd_solve(const Napi::CallbackInfo &info);

}  // namespace golddiff
