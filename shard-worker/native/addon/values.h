/* Typed arrays in and out. */
#pragma once
#include <napi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace golddiff {

inline bool given(const Napi::Value &value) { return !value.IsUndefined() && !value.IsNull(); }

template <typename Vector, typename Array>
Vector copied(const Napi::Value &value) {
  const Array array = value.As<Array>();
  return Vector(array.Data(), array.Data() + array.ElementLength());
}
inline std::vector<double> doubles(const Napi::Value &value) { return copied<std::vector<double>, Napi::Float64Array>(value); }
inline std::vector<uint32_t> words(const Napi::Value &value) { return copied<std::vector<uint32_t>, Napi::Uint32Array>(value); }

/* `name` is the constructor of Array. */
template <typename Array, typename Vector>
Array typed(Napi::Env env, const char *name, const Vector &values) {
  Napi::Value made;
  try {
    /* By JavaScript's own constructor: without memory it throws, where Array::New would end the process. */
    made = env.Global().Get(name).As<Napi::Function>().New({Napi::Number::New(env, static_cast<double>(values.size()))});
  } catch (const Napi::Error &) {
    throw std::bad_alloc();
  }
  Array out = made.As<Array>();
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}
template <typename Vector>
Napi::Value float64s(Napi::Env env, const Vector &values) {
  return typed<Napi::Float64Array>(env, "Float64Array", values);
}
template <typename Vector>
Napi::Value float32s(Napi::Env env, const Vector &values) {
  return typed<Napi::Float32Array>(env, "Float32Array", values);
}
template <typename Vector>
Napi::Value uint32s(Napi::Env env, const Vector &values) {
  return typed<Napi::Uint32Array>(env, "Uint32Array", values);
}

}  // namespace golddiff
