// lake.js -- a small stand-in for Lake, for simple projects on the wasm Lean.
// It reads lakefile.toml (or a plain lakefile.lean), runs the real `lean` on
// every module that is out of date, in import order, and prints what Lake
// prints.  See README.md for what is Lean's and what is imitation.
'use strict';
const fs = require('fs'), path = require('path'), os = require('os'), cp = require('child_process'), crypto = require('crypto');
const home = process.env.LEAN_WASM_HOME || path.dirname(__dirname);
const leanBin = path.join(home, 'bin', 'lean');
class Fail extends Error {}
const fail = m => { throw new Fail(m); };
const sha = (...xs) => { const h = crypto.createHash('sha256'); for (const x of xs) { h.update(x); h.update('\0'); } return h.digest('hex').slice(0, 32); };

// ------------------------------------------------------------ lakefile.toml
function parseToml(text, file) {
  let i = 0;
  const root = {}; let cur = root;
  const at = () => { const b = text.slice(0, i); return `${file}:${b.split('\n').length}:${i - b.lastIndexOf('\n') - 1}`; };
  const bad = m => fail(`${at()}: ${m}`);
  const ws = nl => { for (;;) { const c = text[i]; if (c === ' ' || c === '\t' || (nl && (c === '\n' || c === '\r'))) i++; else if (c === '#') while (i < text.length && text[i] !== '\n') i++; else return; } };
  const eol = () => { ws(false); if (text[i] === '\r') i++; if (i < text.length && text[i] !== '\n') bad(`unexpected '${text[i]}'; expected end of line`); i++; };
  const str = () => {
    const q = text[i];
    if (text.startsWith(q.repeat(3), i)) {
      const e = text.indexOf(q.repeat(3), i + 3); if (e < 0) bad('unterminated string');
      const s = text.slice(i + 3, e).replace(/^\r?\n/, ''); i = e + 3; return s;
    }
    let s = ''; i++;
    for (;;) {
      const c = text[i];
      if (c === undefined || c === '\n') bad('unexpected end of line; expected closing quote');
      i++;
      if (c === q) return s;
      if (c === '\\' && q === '"') {
        const e = text[i++], m = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\', b: '\b', f: '\f' };
        if (e === 'u' || e === 'U') { const n = e === 'u' ? 4 : 8; s += String.fromCodePoint(parseInt(text.substr(i, n), 16)); i += n; }
        else if (e in m) s += m[e]; else bad(`unknown escape '\\${e}'`);
      } else s += c;
    }
  };
  const key = () => {
    const ks = [];
    for (;;) {
      ws(false);
      if (text[i] === '"' || text[i] === "'") ks.push(str());
      else { const m = /^[A-Za-z0-9_-]+/.exec(text.slice(i, i + 200)); if (!m) bad(`unexpected '${text[i] ?? 'end of input'}'; expected key`); ks.push(m[0]); i += m[0].length; }
      ws(false);
      if (text[i] === '.') i++; else return ks;
    }
  };
  const put = (t, ks, v) => {
    for (const k of ks.slice(0, -1)) { t = t[k] ??= {}; if (Array.isArray(t)) t = t[t.length - 1]; }
    const k = ks[ks.length - 1]; if (Object.hasOwn(t, k)) bad(`duplicate key '${k}'`); t[k] = v;
  };
  const value = () => {
    const c = text[i];
    if (c === '"' || c === "'") return str();
    if (c === '[') {
      const a = []; i++;
      for (;;) { ws(true); if (text[i] === ']') { i++; return a; } a.push(value()); ws(true); if (text[i] === ',') i++; else if (text[i] !== ']') bad(`unexpected '${text[i] ?? 'end of input'}'; expected ',' or ']'`); }
    }
    if (c === '{') {
      const t = {}; i++; ws(false);
      if (text[i] === '}') { i++; return t; }
      for (;;) { const ks = key(); if (text[i] !== '=') bad("expected '='"); i++; ws(false); put(t, ks, value()); ws(false); if (text[i] === ',') i++; else if (text[i] === '}') { i++; return t; } else bad("expected ',' or '}'"); }
    }
    const m = /^[^\s,\]}#]+/.exec(text.slice(i, i + 200)); if (!m) bad('expected value');
    if (m[0] === 'true' || m[0] === 'false') { i += m[0].length; return m[0] === 'true'; }
    if (/^[+-]?[\d_]+(\.[\d_]+)?$/.test(m[0])) { i += m[0].length; return Number(m[0].replace(/_/g, '')); }
    bad(`unexpected '${m[0]}'; expected value`);
  };
  for (;;) {
    ws(true); if (i >= text.length) return root;
    if (text.startsWith('[[', i)) {
      i += 2; const ks = key(); if (!text.startsWith(']]', i)) bad("expected ']]'"); i += 2;
      let t = root; for (const k of ks.slice(0, -1)) t = t[k] ??= {};
      cur = {}; (t[ks[ks.length - 1]] ??= []).push(cur); eol();
    } else if (text[i] === '[') {
      i++; const ks = key(); if (text[i] !== ']') bad("expected ']'"); i++;
      cur = root; for (const k of ks) { cur = cur[k] ??= {}; if (Array.isArray(cur)) cur = cur[cur.length - 1]; } eol();
    } else { const ks = key(); if (text[i] !== '=') bad(`unexpected '${text[i] === '\n' || text[i] === undefined ? 'end of line' : text[i]}'; expected '='`); i++; ws(false); put(cur, ks, value()); eol(); }
  }
}

// ------------------------------------------------------------ lakefile.lean
// Only the declarative core: package, lean_lib, lean_exe with literal fields.
function parseLakefileLean(text, file) {
  text = stripComments(text);
  if (/^\s*require\b/m.test(text)) fail(`${file}: this stand-in for Lake supports no 'require' (external packages)`);
  const cfg = { lean_lib: [], lean_exe: [], defaultTargets: [] };
  const id = s => s.replace(/[«»]/g, '');
  const re = /(@\[default_target\]\s*)?\b(package|lean_lib|lean_exe|script|target|extern_lib|module_facet|library_facet|package_facet|post_update)\s+("[^"]+"|«[^»]+»|[\w.'-]+)/g;
  const hits = [...text.matchAll(re)];
  hits.forEach((m, n) => {
    const body = text.slice(m.index + m[0].length, hits[n + 1]?.index ?? text.length);
    const name = id(m[3].replace(/"/g, ''));
    const lit = k => { const x = new RegExp(`\\b${k}\\s*:=\\s*("([^"]*)"|\`([\\w.«»]+))`).exec(body); return x && id(x[2] ?? x[3]); };
    const list = k => { const x = new RegExp(`\\b${k}\\s*:=\\s*#\\[([^\\]]*)\\]`).exec(body); return x ? x[1].split(',').map(s => id(s.trim().replace(/^[`"]|"$/g, ''))).filter(Boolean) : undefined; };
    if (m[2] === 'package') { cfg.name = name; const s = lit('srcDir'); if (s) cfg.srcDir = s; }
    else if (m[2] === 'lean_lib') cfg.lean_lib.push({ name, srcDir: lit('srcDir') ?? undefined, roots: list('roots'), globs: list('globs') });
    else if (m[2] === 'lean_exe') cfg.lean_exe.push({ name, srcDir: lit('srcDir') ?? undefined, root: lit('root') ?? undefined });
    else fail(`${file}: this stand-in for Lake supports no '${m[2]}'`);
    if (m[1]) cfg.defaultTargets.push(name);
  });
  if (!cfg.name) fail(`${file}: no 'package' declaration found`);
  return cfg;
}

// ------------------------------------------------------------ module headers
function stripComments(s) {
  let out = '';
  for (let i = 0; i < s.length;) {
    if (s.startsWith('--', i)) { while (i < s.length && s[i] !== '\n') i++; }
    else if (s.startsWith('/-', i)) {
      let d = 1; i += 2;
      while (i < s.length && d) { if (s.startsWith('/-', i)) { d++; i += 2; } else if (s.startsWith('-/', i)) { d--; i += 2; } else { if (s[i] === '\n') out += '\n'; i++; } }
      out += ' ';
    } else if (s[i] === '"') { const b = i++; while (i < s.length && s[i] !== '"') i += s[i] === '\\' ? 2 : 1; i++; out += s.slice(b, i); }
    else out += s[i++];
  }
  return out;
}
function importsOf(src) {
  const s = stripComments(src.slice(0, 65536)), out = [];
  const re = /\s*(?:(prelude|module)(?=\s|$)|(?:(?:public|private|meta)\s+)*import\s+(?:all\s+)?((?:«[^»]*»|[^\s.«»])+(?:\.(?:«[^»]*»|[^\s.«»])+)*))/y;
  for (let m; (m = re.exec(s));) if (m[2]) out.push(m[2].replace(/[«»]/g, ''));
  return out;
}

// ------------------------------------------------------------ workspace
function load(dir) {
  const toml = path.join(dir, 'lakefile.toml'), lean = path.join(dir, 'lakefile.lean');
  let cfg, file;
  if (fs.existsSync(lean)) { file = 'lakefile.lean'; cfg = parseLakefileLean(fs.readFileSync(lean, 'utf8'), file); }
  else if (fs.existsSync(toml)) { file = 'lakefile.toml'; cfg = parseToml(fs.readFileSync(toml, 'utf8'), file); }
  else fail(`[root]: no configuration file with a supported extension:\n${path.join(dir, 'lakefile.lean')}\n${path.join(dir, 'lakefile.toml')}`);
  if (cfg.require?.length) fail(`${file}: this stand-in for Lake supports no [[require]] (external packages)`);
  if (typeof cfg.name !== 'string') fail(`${file}: missing required key: name`);
  const src = path.join(dir, cfg.srcDir || '.');
  const opts = o => Object.entries(o || {}).flatMap(([k, v]) => [`-D${k}=${v}`]);
  const base = [...opts(cfg.leanOptions), ...(cfg.moreLeanArgs || [])];
  const libs = (cfg.lean_lib || []).map(l => ({
    kind: 'lib', name: l.name ?? fail(`${file}: lean_lib without a name`), src: path.join(src, l.srcDir || '.'),
    roots: l.roots ?? [l.name], globs: l.globs ?? l.roots ?? [l.name], args: [...base, ...opts(l.leanOptions), ...(l.moreLeanArgs || [])],
  }));
  const exes = (cfg.lean_exe || []).map(e => ({
    kind: 'exe', name: e.name ?? fail(`${file}: lean_exe without a name`), src: path.join(src, e.srcDir || '.'),
    roots: [e.root ?? e.name], globs: [e.root ?? e.name], args: [...base, ...opts(e.leanOptions), ...(e.moreLeanArgs || [])],
  }));
  return { dir, file, cfg, libs, exes, lib: path.join(dir, '.lake', 'build', 'lib', 'lean') };
}
const relOf = m => m.split('.').join('/') + '.lean';
function owner(ws, mod) {
  for (const l of ws.libs) if (l.roots.some(r => mod === r || mod.startsWith(r + '.'))) return l;
  for (const e of ws.exes) if (e.roots.includes(mod)) return e;
}
function expandGlobs(o) {
  const out = [];
  for (const g of o.globs) {
    const m = /^(.*)\.([*+])$/.exec(g);
    if (!m) { out.push(g); continue; }
    if (m[2] === '*' && fs.existsSync(path.join(o.src, relOf(m[1])))) out.push(m[1]);
    (function walk(d, p) {
      for (const e of fs.existsSync(d) ? fs.readdirSync(d, { withFileTypes: true }) : [])
        if (e.isDirectory()) walk(path.join(d, e.name), p + '.' + e.name);
        else if (e.name.endsWith('.lean')) out.push(p + '.' + e.name.slice(0, -5));
    })(path.join(o.src, ...m[1].split('.')), m[1]);
  }
  return out;
}

// ------------------------------------------------------------ the build
const rank = { trace: 0, info: 1, warning: 2, error: 3 };
const icons = ['ℹ', 'ℹ', '⚠', '✖'];
const fmtTime = ms => ms > 10000 ? `${Math.floor(ms / 1000)}s` : ms > 1000 ? `${Math.floor(ms / 1000)}.${Math.floor((ms + 50) / 100) % 10}s` : `${ms}ms`;
function toolchainId() {
  const rt = path.join(home, 'toolchain', 'bin');
  try { return fs.readFileSync(path.join(rt, 'id'), 'utf8').trim(); } catch { return 'unknown'; }
}
async function build(ws, modules, opt) {
  const failLv = opt.wfail ? 2 : opt.iofail ? 1 : 3, outLv = opt.quiet ? 2 : opt.verbose ? 0 : 1;
  const out = s => fs.writeSync(1, s);
  const jobs = new Map(), order = [];
  const visit = (mod, stack) => {
    if (jobs.has(mod)) return jobs.get(mod);
    const o = owner(ws, mod);
    if (!o) return null;
    const j = { mod, o, deps: [], log: [], state: 'wait', file: path.join(o.src, relOf(mod)) };
    j.rel = path.relative(ws.dir, j.file);
    jobs.set(mod, j);
    try { j.src = fs.readFileSync(j.file, 'utf8'); } catch (e) {
      j.state = 'bad'; j.log.push({ level: 'error', message: `no such file or directory (error code: 2)\n  file: ${j.file}` });
      order.push(j); return j;
    }
    for (const m of importsOf(j.src)) {
      if (stack.includes(m)) { j.state = 'bad'; j.log.push({ level: 'error', message: `build cycle detected:\n${[...stack.slice(stack.indexOf(m)), m].map(x => '  +' + x).join('\n')}` }); continue; }
      const d = visit(m, [...stack, m]);
      if (d) j.deps.push(d);
    }
    order.push(j);
    return j;
  };
  for (const m of modules) visit(m, [m]);
  for (const j of order) for (const d of j.deps)
    if (d.state === 'bad') { j.state = 'bad'; j.log.push({ level: 'error', message: `${j.rel}: bad import '${d.mod}'` }); }
  const total = order.length + 1; // Lake counts the "job computation" too
  let no = 1;
  const failures = [];
  let rebuilt = 0, wantsRebuild = false;
  const report = (j, verbs, ms) => {
    const maxLv = Math.max(0, ...j.log.map(e => rank[e.level]));
    const failed = j.log.length > 0 && maxLv >= failLv;
    const hasOut = failed || (j.log.length > 0 && maxLv >= outLv);
    j.ok = !failed && j.state !== 'blocked';
    if (failed) failures.push(j.mod);
    if (hasOut || (verbs[0] === 'Built' && !opt.quiet) || opt.verbose) {
      out(`${hasOut ? icons[maxLv] : '✔'} [${no}/${total}] ${failed ? verbs[1] : verbs[0]} ${j.mod}${ms > 0 ? ` (${fmtTime(ms)})` : ''}\n`);
      if (hasOut) for (const e of j.log) if (rank[e.level] >= (failed ? 0 : outLv)) out(`${e.level}: ${e.message}\n`);
    }
    no++;
  };
  const tc = toolchainId();
  const outputs = j => { const b = path.join(ws.lib, ...j.mod.split('.')); return { olean: b + '.olean', ilean: b + '.ilean', trace: b + '.trace' }; };
  const run = j => new Promise(resolve => {
    if (j.state === 'bad') { report(j, ['Ran', 'Running'], 0); j.ok = false; return resolve(); }
    if (j.deps.some(d => !d.ok)) { j.state = 'blocked'; j.log = []; report(j, ['', ''], 0); j.ok = false; return resolve(); }
    const f = outputs(j);
    j.key = sha(tc, j.o.args.join(' '), j.rel, j.src, ...j.deps.map(d => d.mod + '=' + d.key));
    try {
      const t = JSON.parse(fs.readFileSync(f.trace, 'utf8'));
      if (t.depHash === j.key && fs.existsSync(f.olean) && fs.existsSync(f.ilean)) { j.log = t.log; report(j, ['Replayed', 'Replaying'], 0); return resolve(); }
    } catch { /* no usable trace */ }
    if (opt.noBuild) { wantsRebuild = true; j.log = [{ level: 'error', message: 'target is out-of-date and needs to be rebuilt' }]; report(j, ['Built', 'Building'], 0); return resolve(); }
    rebuilt++;
    for (const x of Object.values(f)) fs.rmSync(x, { force: true });
    fs.mkdirSync(path.dirname(f.olean), { recursive: true });
    const args = [...j.o.args, j.file, '-R', j.o.src, '-o', f.olean, '-i', f.ilean, '--json'];
    j.log = [{ level: 'trace', message: `.> LEAN_PATH=${ws.lib} ${leanBin} ${args.join(' ')}` }];
    const t0 = Date.now();
    const p = cp.spawn(leanBin, args, { cwd: ws.dir, env: { ...process.env, LEAN_PATH: ws.lib }, stdio: ['ignore', 'pipe', 'pipe'] });
    let so = '', se = '';
    p.stdout.setEncoding('utf8').on('data', d => so += d); p.stderr.setEncoding('utf8').on('data', d => se += d);
    p.on('error', e => { se += e.message; });
    p.on('close', (code, sig) => {
      let txt = '';
      const flush = () => { if (txt) { j.log.push({ level: 'info', message: 'stdout:\n' + txt }); txt = ''; } };
      for (const ln of so.split('\n')) {
        let m; try { m = JSON.parse(ln); } catch { m = null; }
        if (m && typeof m === 'object' && m.severity && m.pos) {
          flush(); if (m.isSilent) continue;
          const cap = (m.caption || '').trim(), data = (m.data || '').trim();
          j.log.push({ level: m.severity === 'information' ? 'info' : m.severity, message: `${j.rel}:${m.pos.line}:${m.pos.column}: ${cap ? cap + ':\n' + data : data}` });
        } else if (txt || ln) txt += ln + '\n';
      }
      flush();
      if (se.trim()) j.log.push({ level: 'info', message: 'stderr:\n' + se.trim() });
      if (code !== 0) { j.log.push({ level: 'error', message: `Lean exited with code ${code ?? 128 + (os.constants.signals[sig] || 0)}` }); for (const x of Object.values(f)) fs.rmSync(x, { force: true }); }
      else {
        const tmp = f.trace + '.' + process.pid;
        fs.writeFileSync(tmp, JSON.stringify({ shim: 1, depHash: j.key, log: j.log }) + '\n'); fs.renameSync(tmp, f.trace);
      }
      report(j, ['Built', 'Building'], Date.now() - t0);
      resolve();
    });
  });
  const width = opt.jobs;
  await new Promise(done => {
    let live = 0; const todo = new Set(order);
    const pump = () => {
      for (const j of todo) {
        if (live >= width) break;
        if (j.deps.some(d => !d.done)) continue;
        todo.delete(j); live++;
        run(j).then(() => { j.done = true; live--; pump(); });
      }
      if (!todo.size && !live) done();
    };
    pump();
  });
  return { failures, total, jobs, wantsRebuild, blocked: order.filter(j => j.state === 'blocked').map(j => j.mod), rebuilt };
}
function targetsOf(ws, names) {
  const mods = [], exes = [];
  const add = t => { if (t.kind === 'exe') exes.push(t.name); mods.push(...expandGlobs(t)); };
  for (const raw of names) {
    const n = raw.replace(/^@?[^/]*\//, '').replace(/:.*$/, '');
    const t = ws.libs.find(l => l.name === n) || ws.exes.find(e => e.name === n);
    if (t && !raw.startsWith('+')) { add(t); continue; }
    const m = n.replace(/^\+/, '').replace(/[«»]/g, '');
    const byPath = m.endsWith('.lean') && [...ws.libs, ...ws.exes].map(l => path.relative(l.src, path.resolve(m)).replace(/\.lean$/, '').split(path.sep).join('.')).find(x => owner(ws, x));
    if (byPath) mods.push(byPath);
    else if (owner(ws, m) && fs.existsSync(path.join(owner(ws, m).src, relOf(m)))) mods.push(m);
    else if (n === ws.cfg.name && !raw.startsWith('+')) for (const d of ws.cfg.defaultTargets || []) { const r = targetsOf(ws, [d]); mods.push(...r.mods); exes.push(...r.exes); }
    else fail(`unknown target \`${raw}\``);
  }
  return { mods, exes };
}

// ------------------------------------------------------------ command line
const usage = `lake stand-in for the wasm Lean.  Commands: build [TARGET...], lean FILE, env [CMD...], clean, --version
Options: -d DIR, -v, -q, --wfail, --iofail, --no-build, --no-ansi; LAKE_JOBS=N sets how many lean processes run at once`;
function leanVersion() { try { return JSON.parse(fs.readFileSync(path.join(home, 'toolchain', 'version.json'), 'utf8')); } catch { return { version: 'unknown', commit: 'unknown' }; } }
async function main(argv) {
  const opt = { jobs: Math.max(1, parseInt(process.env.LAKE_JOBS || '', 10) || Math.min(os.availableParallelism(), Math.floor(os.totalmem() / 2e9) || 1)) };
  let dir = '.';
  const pos = [];
  for (let i = 0; i < argv.length; i++) {
    const a = argv[i];
    if (pos[0] === 'env' || (pos[0] === 'lean' && a === '--')) { pos.push(...argv.slice(i)); break; }
    if (a === '-d' || a === '--dir') dir = argv[++i];
    else if (a.startsWith('--dir=')) dir = a.slice(6);
    else if (a === '-v' || a === '--verbose') opt.verbose = true;
    else if (a === '-q' || a === '--quiet') opt.quiet = true;
    else if (a === '--wfail') opt.wfail = true;
    else if (a === '--iofail') opt.iofail = true;
    else if (a === '--no-build') opt.noBuild = true;
    else if (a === '--no-ansi' || a === '--ansi' || a === '--no-cache' || a === '--keep-toolchain') ;
    else if (a === '-R' || a === '--reconfigure' || a.startsWith('-K')) ;
    else if (a === '-V' || a === '--version') { const v = leanVersion(); console.log(`Lake version 5.0.0-shim (Lean version ${v.version})`); return 0; }
    else if (a === '-h' || a === '--help') { console.log(usage); return 0; }
    else if (a.startsWith('-') && a !== '-') fail(`unknown ${a.startsWith('--') ? 'long' : 'short'} option '${a}'`);
    else pos.push(a);
  }
  const cmd = pos.shift();
  if (!cmd || cmd === 'help') { console.log(usage); return cmd ? 0 : 1; }
  const here = path.resolve(dir);
  const envFor = ws => {
    const join = (a, b) => b ? a + ':' + b : a;
    const e = { LAKE: path.join(home, 'bin', 'lake'), LAKE_HOME: home, LEAN_SYSROOT: path.join(home, 'toolchain'), PATH: join(path.join(home, 'bin'), process.env.PATH) };
    if (ws) { e.LEAN_PATH = join(ws.lib, process.env.LEAN_PATH); e.LEAN_SRC_PATH = [...new Set([...ws.libs, ...ws.exes].map(l => l.src))].join(':'); }
    return e;
  };
  const exec = (c, args, env) => {
    const r = cp.spawnSync(c === 'lean' ? leanBin : c, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    if (r.error) fail(`could not execute '${c}': ${r.error.message}`);
    return r.status ?? 128 + (os.constants.signals[r.signal] || 0);
  };
  const finish = (ws, r, exes, ok) => {
    if (r.failures.length || r.blocked.length) {
      fs.writeSync(1, 'Some required targets logged failures:\n' + r.failures.map(f => `- ${f}\n`).join(''));
      if (opt.noBuild && r.wantsRebuild) return 3;
      fail('build failed');
    }
    if (exes.length) fs.writeSync(2, exes.map(e => `note: lake stand-in: executable '${e}' was checked (all its modules elaborated) but not compiled or linked\n`).join(''));
    if (ok && !opt.quiet) fs.writeSync(1, r.total === 1 ? 'Nothing to build.\n' : `${opt.noBuild ? 'All targets up-to-date' : 'Build completed successfully'} (${r.total} jobs).\n`);
    return 0;
  };
  switch (cmd) {
    case 'build': {
      const ws = load(here);
      const t = targetsOf(ws, pos.length ? pos : ws.cfg.defaultTargets || []);
      return finish(ws, await build(ws, t.mods, opt), t.exes, true);
    }
    case 'lean': {
      const ws = load(here), file = pos[0] ?? fail('missing file path');
      let text; try { text = fs.readFileSync(file, 'utf8'); } catch { fail(`no such file or directory (error code: 2)\n  file: ${file}`); }
      finish(ws, await build(ws, importsOf(text).filter(m => owner(ws, m)), { ...opt, quiet: true }), [], false);
      return exec('lean', [file, ...pos.slice(pos[1] === '--' ? 2 : 1)], envFor(ws));
    }
    case 'env': {
      const ws = fs.existsSync(path.join(here, 'lakefile.toml')) || fs.existsSync(path.join(here, 'lakefile.lean')) ? load(here) : null;
      const e = envFor(ws);
      if (!pos.length) { for (const k in e) console.log(`${k}=${e[k]}`); return 0; }
      return exec(pos[0], pos.slice(1), e);
    }
    case 'clean': { const ws = load(here); fs.rmSync(path.join(ws.dir, '.lake', 'build'), { recursive: true, force: true }); return 0; }
    case 'exe': case 'exec': case 'test': case 'lint': case 'update': case 'new': case 'init': case 'cache': case 'pack': case 'upload': case 'serve': case 'script': case 'run': case 'scripts': case 'translate-config':
      fail(`this stand-in for Lake does not support '${cmd}'`);
      break;
    default: fail(`unknown command '${cmd}'`);
  }
}
main(process.argv.slice(2)).then(c => { process.exitCode = c; }, e => {
  if (!(e instanceof Fail)) throw e;
  fs.writeSync(2, `error: ${e.message}\n`); process.exitCode = 1;
});
