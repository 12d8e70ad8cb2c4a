/** Python source cut into coloured pieces, in the classes of the editor's theme. */

export interface IToken {
  text: string;
  kind: '' | 'comment' | 'string' | 'keyword' | 'number' | 'builtin' | 'def' | 'meta' | 'operator';
}

const KEYWORDS = new Set(
  (
    'and as assert async await break class continue def del elif else except finally for from ' +
    'global if import in is lambda nonlocal not or pass raise return try while with yield match case'
  ).split(' ')
);
const ATOMS = new Set(['True', 'False', 'None']);
const BUILTINS = new Set(
  (
    'abs all any bool bytes callable dict dir enumerate filter float format getattr hasattr hash id ' +
    'input int isinstance issubclass iter len list map max min next object open ord pow print range ' +
    'repr reversed round set setattr slice sorted str sum super tuple type vars zip'
  ).split(' ')
);

const TOKEN = new RegExp(
  [
    /(#[^\n]*)/, // 1 comment
    /((?:[rRbBuUfF]{0,2})(?:"""[\s\S]*?(?:"""|(?![\s\S]))|'''[\s\S]*?(?:'''|(?![\s\S]))|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))/, // 2
    /(\b(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?j?)\b)/, // 3 number
    /(^[ \t]*(?:%%?|!|@)[^\n]*)/, // 4 magic, command, decorator
    /([A-Za-z_]\w*)/, // 5 name
    /([-+*/%=<>!&|^~@]+)/ // 6 operator
  ]
    .map(part => part.source)
    .join('|'),
  'gm'
);

export function tokens(source: string): IToken[] {
  const out: IToken[] = [];
  let at = 0;
  let afterDef = false;
  TOKEN.lastIndex = 0;
  for (let m = TOKEN.exec(source); m; m = TOKEN.exec(source)) {
    if (m.index > at) {
      out.push({ text: source.slice(at, m.index), kind: '' });
    }
    at = TOKEN.lastIndex;
    const [text, comment, string, number, meta, name] = m;
    let kind: IToken['kind'] = 'operator';
    if (comment) {
      kind = 'comment';
    } else if (string) {
      kind = 'string';
    } else if (number) {
      kind = 'number';
    } else if (meta) {
      kind = 'meta';
    } else if (name) {
      kind = afterDef
        ? 'def'
        : KEYWORDS.has(name) || ATOMS.has(name)
          ? 'keyword'
          : BUILTINS.has(name)
            ? 'builtin'
            : '';
      afterDef = name === 'def' || name === 'class';
    }
    if (!name) {
      afterDef = false;
    }
    out.push({ text, kind });
  }
  if (at < source.length) {
    out.push({ text: source.slice(at), kind: '' });
  }
  return out;
}
