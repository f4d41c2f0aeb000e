/** One thing wrong with JSON that was read, with the path to it in the names that the input used. */
export interface ProtoProblem {
  readonly path: string;
  readonly message: string;
}

const mostProblems = 1000;

/** Adds a problem; after a thousand says once that there are more. */
export function addProblem(problems: ProtoProblem[], path: string, message: string): void {
  if (problems.length < mostProblems) problems.push({ path, message });
  else if (problems.length === mostProblems) problems.push({ path: '', message: 'and more problems' });
}

/** The path of a member: `a.b`, or `a["b c"]` where the name is not plain. */
export function memberPath(path: string, name: string): string {
  if (!/^[\w$@-]+$/.test(name)) return `${path}[${JSON.stringify(name.slice(0, 200))}]`;
  return path === '' ? name : `${path}.${name}`;
}

/** How a value reads in a message: its type, and the value where it is short. */
export function shown(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'string':
      return `the string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
    case 'number':
      return `the number ${value}`;
    case 'boolean':
      return `${value}`;
    default:
      return `a ${typeof value}`;
  }
}
