// lake.js -- a stand-in for Lake, for simple projects: its command line. It runs the real
// `lean` on every module that is out of date and prints what Lake prints. README.md says
// what is Lean's and what is imitation; a version text with "shim" in it tells programs.
'use strict';
const fs = require('fs');
const path = require('path');
const os = require('os');
const cp = require('child_process');
const { Fail, fail, load, owner, importsOf, targetsOf } = require('./lake-project.js');
const { build, home, leanBin } = require('./lake-build.js');

const usage = `Stand-in for Lake.  Commands: build [TARGET...], lean FILE, env [CMD...], clean, --version
Options: -d DIR, -v, -q, --wfail, --iofail, --no-build, --no-ansi; LAKE_JOBS=N: lean processes at once`;

// Real commands of Lake that are refused rather than ignored.
const refused = (
  'exe exec test lint update new init cache pack upload serve script run scripts translate-config ' +
  'query check-build check-test check-lint shake unpack'
).split(' ');

// Options that change nothing here: no colours, no network, no compiled configuration.
const ignored = new Set([
  '--no-ansi',
  '--ansi',
  '--no-cache',
  '--keep-toolchain',
  '-R',
  '--reconfigure',
  '-H',
  '--rehash',
]);

// One lean takes about 1 GB; twice that leaves room for other work.
const defaultJobs = () => Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / 2e9)));

function version() {
  try {
    return JSON.parse(fs.readFileSync(path.join(home, 'toolchain', 'version.json'), 'utf8')).version;
  } catch {
    return 'unknown';
  }
}

// parse splits a command line into options and words. What follows `env` is not ours.
function parse(argv) {
  const opt = { dir: '.', jobs: parseInt(process.env.LAKE_JOBS || '', 10) || defaultJobs() };
  const words = [];
  for (let i = 0; i < argv.length; i++) {
    const a = argv[i];
    if (words[0] === 'env' || (words[0] === 'lean' && a === '--')) {
      words.push(...argv.slice(i));
      break;
    }
    if (a === '-d' || a === '--dir') opt.dir = argv[++i] ?? fail(`option '${a}' wants a folder`);
    else if (a.startsWith('--dir=')) opt.dir = a.slice(6);
    else if (a === '-v' || a === '--verbose') opt.verbose = true;
    else if (a === '-q' || a === '--quiet') opt.quiet = true;
    else if (a === '--wfail') opt.wfail = true;
    else if (a === '--iofail') opt.iofail = true;
    else if (a === '--no-build') opt.noBuild = true;
    else if (a === '-V' || a === '--version') opt.version = true;
    else if (a === '-h' || a === '--help') opt.help = true;
    else if (ignored.has(a) || a.startsWith('-K'));
    else if (a.startsWith('-') && a !== '-')
      fail(`unknown ${a.startsWith('--') ? 'long' : 'short'} option '${a}'`);
    else words.push(a);
  }
  return { opt, words };
}

// environment is what `lake env` sets.
function environment(ws) {
  const join = (a, b) => (b ? a + ':' + b : a);
  const env = {
    LAKE: path.join(home, 'bin', 'lake'),
    LAKE_HOME: home,
    LEAN_SYSROOT: path.join(home, 'toolchain'),
    PATH: join(path.join(home, 'bin'), process.env.PATH),
  };
  if (ws) {
    env.LEAN_PATH = join(ws.lib, process.env.LEAN_PATH);
    env.LEAN_SRC_PATH = [...new Set([...ws.libs, ...ws.exes].map(t => t.src))].join(':');
  }
  return env;
}

// pass runs a program in that environment and returns its exit code.
function pass(program, args, env) {
  const file = program === 'lean' ? leanBin : program;
  const r = cp.spawnSync(file, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (r.error) fail(`could not execute '${program}': ${r.error.message}`);
  return r.status ?? 128 + (os.constants.signals[r.signal] || 0);
}

// conclude prints how a build ended and returns the exit code: 1 for any failure, 3 if
// --no-build met something out of date.
function conclude(result, exes, opt) {
  if (result.failures.length || result.skipped.length) {
    const list = result.failures.map(f => `- ${f}\n`).join('');
    fs.writeSync(1, 'Some required targets logged failures:\n' + list);
    if (opt.noBuild && result.outOfDate) return 3;
    fail('build failed');
  }
  for (const e of exes)
    fs.writeSync(
      2,
      `note: lake stand-in: the modules of executable '${e}' were checked, it was not linked\n`,
    );
  if (opt.quiet) return 0;
  const words = opt.noBuild ? 'All targets up-to-date' : 'Build completed successfully';
  fs.writeSync(1, result.total === 1 ? 'Nothing to build.\n' : `${words} (${result.total} jobs).\n`);
  return 0;
}

async function main(argv) {
  const { opt, words } = parse(argv);
  if (opt.version) {
    console.log(`Lake version 5.0.0-shim (Lean version ${version()})`);
    return 0;
  }
  const [command, ...rest] = words;
  if (opt.help || !command || command === 'help') {
    console.log(usage);
    return opt.help || command ? 0 : 1;
  }
  const here = path.resolve(opt.dir);
  switch (command) {
    case 'build': {
      const ws = load(here);
      const { mods, exes } = targetsOf(ws, rest.length ? rest : ws.cfg.defaultTargets || []);
      return conclude(await build(ws, mods, opt), exes, opt);
    }
    case 'lean': {
      const ws = load(here);
      const file = rest[0] ?? fail('missing file path');
      let text;
      try {
        text = fs.readFileSync(file, 'utf8');
      } catch {
        fail(`no such file or directory (error code: 2)\n  file: ${file}`);
      }
      const quiet = { ...opt, quiet: true };
      const imports = importsOf(text).filter(m => owner(ws, m));
      const code = conclude(await build(ws, imports, quiet), [], quiet);
      if (code !== 0) return code;
      return pass('lean', [file, ...rest.slice(rest[1] === '--' ? 2 : 1)], environment(ws));
    }
    case 'env': {
      const project = ['lakefile.toml', 'lakefile.lean'].some(f => fs.existsSync(path.join(here, f)));
      const env = environment(project ? load(here) : null);
      if (rest.length) return pass(rest[0], rest.slice(1), env);
      for (const name in env) console.log(`${name}=${env[name]}`);
      return 0;
    }
    case 'clean':
      fs.rmSync(load(here).build, { recursive: true, force: true });
      return 0;
  }
  fail(
    refused.includes(command)
      ? `this stand-in for Lake does not support '${command}'`
      : `unknown command '${command}'`,
  );
}

main(process.argv.slice(2)).then(
  code => (process.exitCode = code),
  e => {
    if (!(e instanceof Fail)) throw e;
    fs.writeSync(2, `error: ${e.message}\n`);
    process.exitCode = 1;
  },
);
