import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import {
  bytes,
  commonFlags,
  environmentName,
  flag,
  hostPort,
  hostPortList,
  hostPortOrOff,
  httpUrl,
  integer,
  logLevel,
  oneOf,
  real,
  runCommandLine,
  text,
  type Parser,
} from '../../shared/config.js';
import { GolddiffError } from '../../shared/errors.js';

/** Runs the command with what it would print on stderr. */
async function run(
  argv: string[],
  build: (program: Command) => void,
  environment: Record<string, string> = {},
): Promise<{ status: number; stderr: string }> {
  const program = new Command('golddiff').configureOutput({ writeOut: () => {} });
  build(program);
  let stderr = '';
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (chunk: string | Uint8Array): boolean => {
    stderr += String(chunk);
    return true;
  };
  Object.assign(process.env, environment);
  try {
    return { status: await runCommandLine(program, argv), stderr };
  } finally {
    process.stderr.write = write;
    for (const name of Object.keys(environment)) delete process.env[name];
  }
}

describe('parsers', () => {
  const cases: [string, Parser<unknown>, [string, unknown][], string[]][] = [
    [
      'integer',
      integer(1, 64),
      [
        ['1', 1],
        ['64', 64],
        [' 7 ', 7],
      ],
      ['0', '65', '1.5', '', 'x', '1e1', '0x10', '-1'],
    ],
    [
      'real',
      real(0, 1),
      [
        ['0', 0],
        ['1', 1],
        ['.5', 0.5],
        ['1e-3', 1e-3],
      ],
      ['-0.1', '1.1', 'NaN', 'Infinity', '', ' '],
    ],
    [
      'real above',
      real(0, Infinity, true),
      [
        ['1e-9', 1e-9],
        ['80', 80],
      ],
      ['0', '-1', 'Infinity'],
    ],
    [
      'httpUrl',
      httpUrl,
      [
        ['http://collector:4318', 'http://collector:4318'],
        ['https://[::1]:4318/v1/traces', 'https://[::1]:4318/v1/traces'],
      ],
      ['collector:4318', 'grpc://collector:4317', 'http://', 'http:///v1', 'http://a b', ''],
    ],
    [
      'hostPort',
      hostPort,
      [
        ['127.0.0.1:0', '127.0.0.1:0'],
        ['[::1]:50051', '[::1]:50051'],
        ['worker-0.workers:65535', 'worker-0.workers:65535'],
      ],
      ['localhost', ':80', 'a:65536', 'a:-1', '::1:80', 'a:b', 'http://a:80', ''],
    ],
    [
      'hostPortOrOff',
      hostPortOrOff,
      [
        ['off', 'off'],
        ['a:1', 'a:1'],
      ],
      ['on', ''],
    ],
    [
      'hostPortList',
      hostPortList,
      [
        ['a:1', ['a:1']],
        ['a:1, b:2', ['a:1', 'b:2']],
      ],
      ['', 'a:1,', 'a:1,a:1'],
    ],
    [
      'bytes',
      bytes,
      [
        ['1', 1],
        ['1Gi', 2 ** 30],
        ['1.5G', 1.5e9],
        ['64 MiB', 64 * 2 ** 20],
        ['10kb', 1e4],
      ],
      ['0', '-1', '1X', 'Gi', '', '1e9', '9999999999T'],
    ],
    ['oneOf', oneOf(['auto', 'reference']), [['auto', 'auto']], ['', 'Auto', 'cuda']],
    ['logLevel', logLevel, [['silent', 'silent']], ['verbose']],
    ['text', text, [['a b', 'a b']], ['', '  ']],
  ];
  for (const [name, parser, good, bad] of cases) {
    it(`${name} reads what it should and names the flag of what it should not`, () => {
      for (const [input, value] of good) assert.deepEqual(parser(input, '--flag'), value, input);
      for (const input of bad)
        assert.throws(
          () => parser(input, '--flag'),
          (error) =>
            error instanceof GolddiffError && error.code === 'ARGUMENT_INVALID' && /^Expected .+ for --flag but received ".*"$/.test(error.message),
          input,
        );
    });
  }
});

describe('flags', () => {
  const threads = (): ReturnType<typeof flag> =>
    flag({ name: 'compute-threads', placeholder: 'N', description: 'threads', parser: integer(1, 64), fallback: '2' });
  const seen: unknown[] = [];
  const build = (program: Command): void =>
    void program.addOption(threads()).action((options: { computeThreads: number }) => void seen.push(options.computeThreads));

  it('are read from the command line, else from the environment, else from the default', async () => {
    assert.equal(environmentName('compute-threads'), 'GOLDDIFF_COMPUTE_THREADS');
    seen.length = 0;
    await run([], build);
    await run([], build, { GOLDDIFF_COMPUTE_THREADS: '3' });
    await run(['--compute-threads', '4'], build, { GOLDDIFF_COMPUTE_THREADS: '3' });
    assert.deepEqual(seen, [2, 3, 4]);
  });

  it('end with status 2 and one sentence where they do not parse, wherever they came from', async () => {
    const sentence = 'Expected a whole number from 1 to 64 for --compute-threads (or GOLDDIFF_COMPUTE_THREADS) but received "many"\n';
    assert.deepEqual(await run(['--compute-threads', 'many'], build), { status: 2, stderr: sentence });
    assert.deepEqual(await run([], build, { GOLDDIFF_COMPUTE_THREADS: 'many' }), { status: 2, stderr: sentence });
  });

  it('have the common ones of every process', async () => {
    let options: unknown;
    await run(['--metrics-listen', 'off'], (program) =>
      program
        .addOption(commonFlags.listen('127.0.0.1:50051'))
        .addOption(commonFlags.metricsListen('127.0.0.1:9464'))
        .addOption(commonFlags.logLevel())
        .action((given) => {
          options = given;
        }),
    );
    assert.deepEqual(options, { listen: '127.0.0.1:50051', metricsListen: 'off', logLevel: 'info' });
  });
});

describe('runCommandLine', () => {
  const build = (program: Command): void => {
    program
      .command('go')
      .addOption(flag({ name: 'data', placeholder: 'DIR', description: 'folder', parser: text, mandatory: true }))
      .action(() => {});
    program.command('fail').action(() => {
      throw new GolddiffError('ADDRESS_IN_USE', 'The port is taken');
    });
    program.command('bug').action(() => {
      throw new TypeError('bug');
    });
  };

  it('ends with 0 for success and for help', async () => {
    assert.deepEqual(await run(['go', '--data', 'd'], build), { status: 0, stderr: '' });
    assert.equal((await run(['--help'], build)).status, 0);
    assert.equal((await run(['go', '--help'], build)).status, 0);
  });

  it('ends with 2 and one line for bad usage', async () => {
    for (const argv of [['go'], ['go', '--data'], ['go', '--dta', 'd'], ['og'], [], ['go', '--data', '']]) {
      const { status, stderr } = await run(argv, build);
      assert.equal(status, 2, argv.join(' '));
      assert.match(stderr, /^[^\n]+\n$/, argv.join(' '));
      assert.ok(!stderr.startsWith('error'), stderr);
    }
  });

  it('ends with 1 and the sentence for a run that failed', async () => {
    assert.deepEqual(await run(['fail'], build), { status: 1, stderr: 'The port is taken\n' });
  });

  it('lets a bug through', async () => {
    await assert.rejects(run(['bug'], build), TypeError);
  });
});
