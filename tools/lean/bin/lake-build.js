// lake-build.js -- builds modules with the real `lean`, in the order of their imports, and
// prints what Lake prints without a terminal.
//
// A module is up to date if its key is the one in its .trace file. The key covers its
// text, its options, the toolchain and, through the chain of keys, every module of the
// project that it imports. A .trace file also holds the messages of the build, which are
// printed again ("Replayed") as Lake does; it is written last, so an interrupted build
// leaves none. The format is not Lake's.
'use strict';
const fs = require('fs');
const path = require('path');
const os = require('os');
const cp = require('child_process');
const crypto = require('crypto');
const { owner, relOf, importsOf } = require('./lake-project.js');

const home = process.env.LEAN_WASM_HOME || path.dirname(__dirname);
const leanBin = path.join(home, 'bin', 'lean');

const levels = { trace: 0, info: 1, warning: 2, error: 3 };
const icons = ['ℹ', 'ℹ', '⚠', '✖'];

// digest of parts, none of which can run into the next.
const digest = (...parts) => {
  const h = crypto.createHash('sha256');
  for (const p of parts) h.update(p).update('\0');
  return h.digest('hex').slice(0, 32);
};

const duration = ms => {
  if (ms > 10000) return `${Math.floor(ms / 1000)}s`;
  if (ms > 1000) return `${Math.floor(ms / 1000)}.${Math.floor((ms + 50) / 100) % 10}s`;
  return `${ms}ms`;
};

// identity of the toolchain, written by install.sh.
const toolchain = () => {
  try {
    return fs.readFileSync(path.join(home, 'toolchain', 'bin', 'id'), 'utf8').trim();
  } catch {
    return 'unknown';
  }
};

const outputsOf = (ws, module) => {
  const base = path.join(ws.lib, ...module.split('.'));
  return { olean: base + '.olean', ilean: base + '.ilean', trace: base + '.trace' };
};

// plan makes a job of every module and of all that it imports within the project, in an
// order in which imports come first. A job that cannot be built for what its files say is
// `bad`, and so is whatever imports it.
function plan(ws, modules) {
  const jobs = new Map();
  const order = [];
  const error = (job, message) => {
    job.bad = true;
    job.log.push({ level: 'error', message });
  };
  const visit = (module, above) => {
    if (jobs.has(module)) return jobs.get(module);
    const target = owner(ws, module);
    if (!target) return null; // of the toolchain, or unknown: lean will say
    const file = path.join(target.src, relOf(module));
    const job = { module, target, file, rel: path.relative(ws.dir, file), imports: [], log: [], bad: false };
    jobs.set(module, job);
    try {
      job.text = fs.readFileSync(file, 'utf8');
    } catch {
      error(job, `no such file or directory (error code: 2)\n  file: ${file}`);
      order.push(job);
      return job;
    }
    for (const name of importsOf(job.text)) {
      if (above.includes(name)) {
        const circle = [...above.slice(above.indexOf(name)), name];
        error(job, 'build cycle detected:\n' + circle.map(x => '  +' + x).join('\n'));
        continue;
      }
      const dependency = visit(name, [...above, name]);
      if (dependency) job.imports.push(dependency);
    }
    order.push(job);
    return job;
  };
  for (const m of modules) visit(m, [m]);
  for (const job of order)
    for (const d of job.imports) if (d.bad) error(job, `${job.rel}: bad import '${d.module}'`);
  return order;
}

// messages turns what lean printed into log entries: its JSON messages, and anything else
// it wrote as it is.
function messages(job, stdout, stderr) {
  const log = [];
  let plain = '';
  const flush = () => {
    if (plain) log.push({ level: 'info', message: 'stdout:\n' + plain });
    plain = '';
  };
  for (const line of stdout.split('\n')) {
    let m = null;
    try {
      m = JSON.parse(line);
    } catch {
      // not a message
    }
    if (m && typeof m === 'object' && m.severity && m.pos) {
      flush();
      if (m.isSilent) continue;
      const caption = (m.caption || '').trim();
      const data = (m.data || '').trim();
      const level = m.severity === 'information' ? 'info' : m.severity;
      const text = caption ? caption + ':\n' + data : data;
      log.push({ level, message: `${job.rel}:${m.pos.line}:${m.pos.column}: ${text}` });
    } else if (plain || line) plain += line + '\n';
  }
  flush();
  if (stderr.trim()) log.push({ level: 'info', message: 'stderr:\n' + stderr.trim() });
  return log;
}

// compile runs lean on one module. Whatever ends badly leaves no outputs at all.
function compile(ws, job, outputs) {
  for (const f of Object.values(outputs)) fs.rmSync(f, { force: true });
  fs.mkdirSync(path.dirname(outputs.olean), { recursive: true });
  const args = [...job.target.args, job.file, '-R', job.target.src, '-o', outputs.olean, '-i', outputs.ilean];
  args.push('--json');
  job.log = [{ level: 'trace', message: `.> LEAN_PATH=${ws.lib} ${leanBin} ${args.join(' ')}` }];
  return new Promise(resolve => {
    const env = { ...process.env, LEAN_PATH: ws.lib };
    const child = cp.spawn(leanBin, args, { cwd: ws.dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', s => (stdout += s));
    child.stderr.setEncoding('utf8').on('data', s => (stderr += s));
    child.on('error', e => (stderr += e.message));
    child.on('close', (code, signal) => {
      job.log.push(...messages(job, stdout, stderr));
      if (code === 0) {
        const part = `${outputs.trace}.${process.pid}`;
        fs.writeFileSync(part, JSON.stringify({ shim: 1, depHash: job.key, log: job.log }) + '\n');
        fs.renameSync(part, outputs.trace);
      } else {
        const number = code ?? 128 + (os.constants.signals[signal] || 0);
        job.log.push({ level: 'error', message: `Lean exited with code ${number}` });
        for (const f of Object.values(outputs)) fs.rmSync(f, { force: true });
      }
      resolve();
    });
  });
}

// build builds the modules with all that they import. The result names the modules that
// failed and those that were skipped because of one, counts the jobs, and says whether
// something was out of date that must not be built (--no-build).
async function build(ws, modules, opt) {
  const order = plan(ws, modules);
  const failLevel = opt.wfail ? levels.warning : opt.iofail ? levels.info : levels.error;
  const showLevel = opt.quiet ? levels.warning : opt.verbose ? levels.trace : levels.info;
  const total = order.length + 1; // Lake counts computing the jobs as one
  const result = { failures: [], skipped: [], total, outOfDate: false };
  const id = toolchain();
  let number = 1;

  // report prints the line of a job and its messages, and decides whether it failed.
  const report = (job, done, failing, ms) => {
    const worst = Math.max(0, ...job.log.map(e => levels[e.level]));
    const failed = job.log.length > 0 && worst >= failLevel;
    const loud = failed || (job.log.length > 0 && worst >= showLevel);
    job.ok = !failed;
    if (failed) result.failures.push(job.module);
    if (loud || (done === 'Built' && !opt.quiet) || opt.verbose) {
      const icon = loud ? icons[worst] : '✔';
      const time = ms > 0 ? ` (${duration(ms)})` : '';
      let text = `${icon} [${number}/${total}] ${failed ? failing : done} ${job.module}${time}\n`;
      if (loud)
        for (const e of job.log)
          if (levels[e.level] >= (failed ? 0 : showLevel)) text += `${e.level}: ${e.message}\n`;
      fs.writeSync(1, text);
    }
    number++;
  };

  const run = async job => {
    if (job.bad) return report(job, 'Ran', 'Running', 0);
    if (job.imports.some(d => !d.ok)) {
      result.skipped.push(job.module);
      number++;
      return;
    }
    const outputs = outputsOf(ws, job.module);
    const below = job.imports.map(d => d.module + '=' + d.key);
    job.key = digest(id, job.target.args.join(' '), job.rel, job.text, ...below);
    try {
      const trace = JSON.parse(fs.readFileSync(outputs.trace, 'utf8'));
      if (trace.depHash === job.key && fs.existsSync(outputs.olean) && fs.existsSync(outputs.ilean)) {
        job.log = trace.log;
        return report(job, 'Replayed', 'Replaying', 0);
      }
    } catch {
      // no trace that can be used: build
    }
    if (opt.noBuild) {
      result.outOfDate = true;
      job.log = [{ level: 'error', message: 'target is out-of-date and needs to be rebuilt' }];
      return report(job, 'Built', 'Building', 0);
    }
    const start = Date.now();
    await compile(ws, job, outputs);
    report(job, 'Built', 'Building', Date.now() - start);
  };

  await new Promise(done => {
    const waiting = new Set(order);
    let running = 0;
    const next = () => {
      for (const job of waiting) {
        if (running >= opt.jobs) break;
        if (job.imports.some(d => !d.done)) continue;
        waiting.delete(job);
        running++;
        run(job).then(() => {
          job.done = true;
          running--;
          next();
        });
      }
      if (!waiting.size && !running) done();
    };
    next();
  });
  return result;
}

module.exports = { build, home, leanBin };
