/** A request target, taken apart. Source: RFC 9112 section 3.2. */
export interface RequestTarget {
  path: string;
  /** Given by the absolute and the authority form; undefined otherwise. */
  authority: string | undefined;
  scheme: string | undefined;
}

const AUTHORITY = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9\-._~!$&'()*+;=%]+)(?::[0-9]{0,5})?$/;
const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/i;

/** Whether text may be an authority: a host and perhaps a port. User information is refused. */
export function isAuthority(text: string): boolean {
  return AUTHORITY.test(text);
}

/** The parts of the target of anything but an origin-form request, or undefined when it is not allowed. */
export function parseRequestTarget(
  method: string,
  target: string,
  allowAbsoluteUrl: boolean,
): RequestTarget | undefined {
  if (method === 'CONNECT') {
    return isAuthority(target) ? { path: '', authority: target, scheme: undefined } : undefined;
  }
  if (target === '*') {
    return method === 'OPTIONS' ? { path: '*', authority: undefined, scheme: undefined } : undefined;
  }
  if (!allowAbsoluteUrl) return undefined;
  const parts = ABSOLUTE.exec(target);
  if (parts === null || !isAuthority(parts[2] as string)) return undefined;
  const rest = parts[3] as string;
  return {
    path: rest.startsWith('/') ? rest : `/${rest}`,
    authority: parts[2] as string,
    scheme: (parts[1] as string).toLowerCase(),
  };
}
