// lake-project.js -- what a project is, read from its files: lakefile.toml or a plain
// lakefile.lean, the libraries and executables in it, module headers, target names.
// Nothing is run and nothing is written here.
'use strict';
const fs = require('fs');
const path = require('path');

// Fail is an error of the user's making: its message is printed behind "error: ".
class Fail extends Error {}
const fail = m => {
  throw new Fail(m);
};

// ------------------------------------------------------------ lakefile.toml
function parseToml(text, file) {
  let i = 0;
  const root = {};
  let cur = root;
  const at = () => {
    const b = text.slice(0, i);
    return `${file}:${b.split('\n').length}:${i - b.lastIndexOf('\n') - 1}`;
  };
  const bad = m => fail(`${at()}: ${m}`);
  const ws = nl => {
    for (;;) {
      const c = text[i];
      if (c === ' ' || c === '\t' || (nl && (c === '\n' || c === '\r'))) i++;
      else if (c === '#') while (i < text.length && text[i] !== '\n') i++;
      else return;
    }
  };
  const eol = () => {
    ws(false);
    if (text[i] === '\r') i++;
    if (i < text.length && text[i] !== '\n') bad(`unexpected '${text[i]}'; expected end of line`);
    i++;
  };
  const str = () => {
    const q = text[i];
    if (text.startsWith(q.repeat(3), i)) {
      const e = text.indexOf(q.repeat(3), i + 3);
      if (e < 0) bad('unterminated string');
      const s = text.slice(i + 3, e).replace(/^\r?\n/, '');
      i = e + 3;
      return s;
    }
    let s = '';
    i++;
    for (;;) {
      const c = text[i];
      if (c === undefined || c === '\n') bad('unexpected end of line; expected closing quote');
      i++;
      if (c === q) return s;
      if (c === '\\' && q === '"') {
        const e = text[i++],
          m = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\', b: '\b', f: '\f' };
        if (e === 'u' || e === 'U') {
          const n = e === 'u' ? 4 : 8;
          s += String.fromCodePoint(parseInt(text.substr(i, n), 16));
          i += n;
        } else if (e in m) s += m[e];
        else bad(`unknown escape '\\${e}'`);
      } else s += c;
    }
  };
  const key = () => {
    const ks = [];
    for (;;) {
      ws(false);
      if (text[i] === '"' || text[i] === "'") ks.push(str());
      else {
        const m = /^[A-Za-z0-9_-]+/.exec(text.slice(i, i + 200));
        if (!m) bad(`unexpected '${text[i] ?? 'end of input'}'; expected key`);
        ks.push(m[0]);
        i += m[0].length;
      }
      ws(false);
      if (text[i] === '.') i++;
      else return ks;
    }
  };
  const put = (t, ks, v) => {
    for (const k of ks.slice(0, -1)) {
      t = t[k] ??= {};
      if (Array.isArray(t)) t = t[t.length - 1];
    }
    const k = ks[ks.length - 1];
    if (Object.hasOwn(t, k)) bad(`duplicate key '${k}'`);
    t[k] = v;
  };
  const value = () => {
    const c = text[i];
    if (c === '"' || c === "'") return str();
    if (c === '[') {
      const a = [];
      i++;
      for (;;) {
        ws(true);
        if (text[i] === ']') {
          i++;
          return a;
        }
        a.push(value());
        ws(true);
        if (text[i] === ',') i++;
        else if (text[i] !== ']') bad(`unexpected '${text[i] ?? 'end of input'}'; expected ',' or ']'`);
      }
    }
    if (c === '{') {
      const t = {};
      i++;
      ws(false);
      if (text[i] === '}') {
        i++;
        return t;
      }
      for (;;) {
        const ks = key();
        if (text[i] !== '=') bad("expected '='");
        i++;
        ws(false);
        put(t, ks, value());
        ws(false);
        if (text[i] === ',') i++;
        else if (text[i] === '}') {
          i++;
          return t;
        } else bad("expected ',' or '}'");
      }
    }
    const m = /^[^\s,\]}#]+/.exec(text.slice(i, i + 200));
    if (!m) bad('expected value');
    if (m[0] === 'true' || m[0] === 'false') {
      i += m[0].length;
      return m[0] === 'true';
    }
    if (/^[+-]?[\d_]+(\.[\d_]+)?$/.test(m[0])) {
      i += m[0].length;
      return Number(m[0].replace(/_/g, ''));
    }
    bad(`unexpected '${m[0]}'; expected value`);
  };
  for (;;) {
    ws(true);
    if (i >= text.length) return root;
    if (text.startsWith('[[', i)) {
      i += 2;
      const ks = key();
      if (!text.startsWith(']]', i)) bad("expected ']]'");
      i += 2;
      let t = root;
      for (const k of ks.slice(0, -1)) t = t[k] ??= {};
      cur = {};
      (t[ks[ks.length - 1]] ??= []).push(cur);
      eol();
    } else if (text[i] === '[') {
      i++;
      const ks = key();
      if (text[i] !== ']') bad("expected ']'");
      i++;
      cur = root;
      for (const k of ks) {
        cur = cur[k] ??= {};
        if (Array.isArray(cur)) cur = cur[cur.length - 1];
      }
      eol();
    } else {
      const ks = key();
      if (text[i] !== '=')
        bad(
          `unexpected '${text[i] === '\n' || text[i] === undefined ? 'end of line' : text[i]}'; expected '='`,
        );
      i++;
      ws(false);
      put(cur, ks, value());
      eol();
    }
  }
}

// ------------------------------------------------------------ lakefile.lean
// Only the declarative core: package, lean_lib, lean_exe with literal fields.
function parseLakefileLean(text, file) {
  text = stripComments(text);
  if (/^\s*require\b/m.test(text))
    fail(`${file}: this stand-in for Lake supports no 'require' (external packages)`);
  const cfg = { lean_lib: [], lean_exe: [], defaultTargets: [] };
  const id = s => s.replace(/[«»]/g, '');
  const re =
    /(@\[default_target\]\s*)?\b(package|lean_lib|lean_exe|script|target|extern_lib|module_facet|library_facet|package_facet|post_update)\s+("[^"]+"|«[^»]+»|[\w.'-]+)/g;
  const hits = [...text.matchAll(re)];
  hits.forEach((m, n) => {
    const body = text.slice(m.index + m[0].length, hits[n + 1]?.index ?? text.length);
    const name = id(m[3].replace(/"/g, ''));
    const lit = k => {
      const x = new RegExp(`\\b${k}\\s*:=\\s*("([^"]*)"|\`([\\w.«»]+))`).exec(body);
      return x && id(x[2] ?? x[3]);
    };
    const list = k => {
      const x = new RegExp(`\\b${k}\\s*:=\\s*#\\[([^\\]]*)\\]`).exec(body);
      return x
        ? x[1]
            .split(',')
            .map(s => id(s.trim().replace(/^[`"]|"$/g, '')))
            .filter(Boolean)
        : undefined;
    };
    if (m[2] === 'package') {
      cfg.name = name;
      const s = lit('srcDir');
      if (s) cfg.srcDir = s;
    } else if (m[2] === 'lean_lib')
      cfg.lean_lib.push({
        name,
        srcDir: lit('srcDir') ?? undefined,
        roots: list('roots'),
        globs: list('globs'),
      });
    else if (m[2] === 'lean_exe')
      cfg.lean_exe.push({ name, srcDir: lit('srcDir') ?? undefined, root: lit('root') ?? undefined });
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
    if (s.startsWith('--', i)) {
      while (i < s.length && s[i] !== '\n') i++;
    } else if (s.startsWith('/-', i)) {
      let d = 1;
      i += 2;
      while (i < s.length && d) {
        if (s.startsWith('/-', i)) {
          d++;
          i += 2;
        } else if (s.startsWith('-/', i)) {
          d--;
          i += 2;
        } else {
          if (s[i] === '\n') out += '\n';
          i++;
        }
      }
      out += ' ';
    } else if (s[i] === '"') {
      const b = i++;
      while (i < s.length && s[i] !== '"') i += s[i] === '\\' ? 2 : 1;
      i++;
      out += s.slice(b, i);
    } else out += s[i++];
  }
  return out;
}
function importsOf(src) {
  const s = stripComments(src.slice(0, 65536)),
    out = [];
  const re =
    /\s*(?:(prelude|module)(?=\s|$)|(?:(?:public|private|meta)\s+)*import\s+(?:all\s+)?((?:«[^»]*»|[^\s.«»])+(?:\.(?:«[^»]*»|[^\s.«»])+)*))/y;
  for (let m; (m = re.exec(s));) if (m[2]) out.push(m[2].replace(/[«»]/g, ''));
  return out;
}

// ------------------------------------------------------------ workspace
function load(dir) {
  const toml = path.join(dir, 'lakefile.toml'),
    lean = path.join(dir, 'lakefile.lean');
  let cfg, file;
  if (fs.existsSync(lean)) {
    file = 'lakefile.lean';
    cfg = parseLakefileLean(fs.readFileSync(lean, 'utf8'), file);
  } else if (fs.existsSync(toml)) {
    file = 'lakefile.toml';
    cfg = parseToml(fs.readFileSync(toml, 'utf8'), file);
  } else
    fail(
      `[root]: no configuration file with a supported extension:\n${path.join(dir, 'lakefile.lean')}\n${path.join(dir, 'lakefile.toml')}`,
    );
  if (cfg.require?.length)
    fail(`${file}: this stand-in for Lake supports no [[require]] (external packages)`);
  if (typeof cfg.name !== 'string') fail(`${file}: missing required key: name`);
  const src = path.join(dir, cfg.srcDir || '.');
  const opts = o => Object.entries(o || {}).flatMap(([k, v]) => [`-D${k}=${v}`]);
  const base = [...opts(cfg.leanOptions), ...(cfg.moreLeanArgs || [])];
  const libs = (cfg.lean_lib || []).map(l => ({
    kind: 'lib',
    name: l.name ?? fail(`${file}: lean_lib without a name`),
    src: path.join(src, l.srcDir || '.'),
    roots: l.roots ?? [l.name],
    globs: l.globs ?? l.roots ?? [l.name],
    args: [...base, ...opts(l.leanOptions), ...(l.moreLeanArgs || [])],
  }));
  const exes = (cfg.lean_exe || []).map(e => ({
    kind: 'exe',
    name: e.name ?? fail(`${file}: lean_exe without a name`),
    src: path.join(src, e.srcDir || '.'),
    roots: [e.root ?? e.name],
    globs: [e.root ?? e.name],
    args: [...base, ...opts(e.leanOptions), ...(e.moreLeanArgs || [])],
  }));
  const build = path.join(dir, cfg.buildDir || '.lake/build'); // `clean` removes it
  if (build === dir || !build.startsWith(dir + path.sep)) fail(`${file}: buildDir leads out of the project`);
  return { dir, file, cfg, libs, exes, build, lib: path.join(build, 'lib', 'lean') };
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
    if (!m) {
      out.push(g);
      continue;
    }
    if (m[2] === '*' && fs.existsSync(path.join(o.src, relOf(m[1])))) out.push(m[1]);
    (function walk(d, p) {
      for (const e of fs.existsSync(d) ? fs.readdirSync(d, { withFileTypes: true }) : [])
        if (e.isDirectory()) walk(path.join(d, e.name), p + '.' + e.name);
        else if (e.name.endsWith('.lean')) out.push(p + '.' + e.name.slice(0, -5));
    })(path.join(o.src, ...m[1].split('.')), m[1]);
  }
  return out;
}

// ------------------------------------------------------------ targets
// targetsOf turns the words of `lake build` into modules, and into executables to mention:
// a package, library or executable by name, `Mod`, `+Mod`, or the path of a file.
function targetsOf(ws, names) {
  const mods = [],
    exes = [];
  const add = t => {
    if (t.kind === 'exe') exes.push(t.name);
    mods.push(...expandGlobs(t));
  };
  for (const raw of names) {
    const n = raw.replace(/^@?[^/]*\//, '').replace(/:.*$/, '');
    const t = ws.libs.find(l => l.name === n) || ws.exes.find(e => e.name === n);
    if (t && !raw.startsWith('+')) {
      add(t);
      continue;
    }
    const m = n.replace(/^\+/, '').replace(/[«»]/g, '');
    const byPath =
      m.endsWith('.lean') &&
      [...ws.libs, ...ws.exes]
        .map(l =>
          path
            .relative(l.src, path.resolve(m))
            .replace(/\.lean$/, '')
            .split(path.sep)
            .join('.'),
        )
        .find(x => owner(ws, x));
    if (byPath) mods.push(byPath);
    else if (owner(ws, m) && fs.existsSync(path.join(owner(ws, m).src, relOf(m)))) mods.push(m);
    else if (n === ws.cfg.name && !raw.startsWith('+'))
      for (const d of ws.cfg.defaultTargets || []) {
        const r = targetsOf(ws, [d]);
        mods.push(...r.mods);
        exes.push(...r.exes);
      }
    else fail(`unknown target \`${raw}\``);
  }
  return { mods, exes };
}

module.exports = { Fail, fail, load, owner, relOf, importsOf, targetsOf };
