import { HeaderMap, type RequestHead } from '@heddle/engine';

/** A request as a browser behind a gateway sends it: nine header fields. */
export function exampleHead(authority: string, path: string): RequestHead {
  const headers = new HeaderMap();
  headers.append('user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', 'User-Agent');
  headers.append('accept', 'application/json, text/plain, */*', 'Accept');
  headers.append('accept-encoding', 'gzip, deflate, br', 'Accept-Encoding');
  headers.append('accept-language', 'en-GB,en;q=0.9', 'Accept-Language');
  headers.append('cookie', 'session=6f1c9a7b3e5d4820; theme=dark', 'Cookie');
  headers.append('x-forwarded-for', '203.0.113.7', 'X-Forwarded-For');
  headers.append('x-forwarded-proto', 'https', 'X-Forwarded-Proto');
  headers.append('x-request-id', '3f8e0f64-8c0e-4f7e-9a51-3f3bb53d8a17', 'X-Request-Id');
  headers.append('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'Traceparent');
  return { method: 'GET', scheme: 'http', authority, path, headers, version: 'HTTP/1.1', upgrade: '' };
}
