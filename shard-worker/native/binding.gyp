# Built by scripts/build-native.mjs; files and flags stand in scripts/native-sources.mjs. One static library per instruction set, as each has its own flags.
{
  'variables': { 'list': 'node ../../scripts/native-sources.mjs' },
  'target_defaults': {
    'include_dirs': ['include', '.'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20', '-std=gnu++2a'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
    },
  },
  'targets': [
    {
      'target_name': 'golddiff_native',
      'sources': ['<!@(<(list) files addon)', '<!@(<(list) files baseline)'],
      'include_dirs': ['<!@(node -p "require(\'node-addon-api\').include")'],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
      'cflags_cc': ['<!@(<(list) flags baseline)'],
      'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<!@(<(list) flags baseline)'] },
      'libraries': ['-pthread'],
      'conditions': [
        ['target_arch=="x64"', { 'dependencies': ['kernels_avx2', 'kernels_avx512'], 'defines': ['GOLDDIFF_X86_KERNELS'] }],
        ['target_arch=="arm64"', { 'dependencies': ['kernels_neon'], 'defines': ['GOLDDIFF_ARM_KERNELS'] }],
      ],
    },
  ],
  'conditions': [
    [
      'target_arch=="x64"',
      {
        'targets': [
          {
            'target_name': 'kernels_avx2',
            'type': 'static_library',
            'sources': ['<!@(<(list) files avx2)'],
            'cflags_cc': ['<!@(<(list) flags avx2)'],
            'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<!@(<(list) flags avx2)'] },
          },
          {
            'target_name': 'kernels_avx512',
            'type': 'static_library',
            'sources': ['<!@(<(list) files avx512)'],
            'cflags_cc': ['<!@(<(list) flags avx512)'],
            'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<!@(<(list) flags avx512)'] },
          },
        ],
      },
    ],
    [
      'target_arch=="arm64"',
      {
        'targets': [
          {
            'target_name': 'kernels_neon',
            'type': 'static_library',
            'sources': ['<!@(<(list) files neon)'],
            'cflags_cc': ['<!@(<(list) flags neon)'],
            'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<!@(<(list) flags neon)'] },
          },
        ],
      },
    ],
  ],
}
