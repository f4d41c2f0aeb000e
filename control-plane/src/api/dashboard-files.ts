import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ApiResponse, ApiRoute } from './api-route.js';

/** By ending: what the dashboard's files are. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * What a page of the dashboard may do: its own scripts and styles from files, its own server, nothing else. Nothing inline, no
 * frames around it, no markup made from text.
 */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Routes for the files of the dashboard, read once. Without a built dashboard there are none. */
export function createDashboardRoutes(folder = dashboardFolder()): readonly ApiRoute[] {
  if (folder === undefined) return [];
  const routes: ApiRoute[] = [];
  for (const part of ['assets', 'dist']) {
    const from = join(folder, part);
    for (const name of existsSync(from) ? readdirSync(from).sort() : []) {
      const contentType = CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1)];
      if (contentType === undefined || name.endsWith('.test.js')) continue;
      routes.push(
        fileRoute(name === 'index.html' ? '/' : `/dashboard/${name}`, join(from, name), contentType),
      );
    }
  }
  return routes;
}

function fileRoute(path: string, file: string, contentType: string): ApiRoute {
  const body = readFileSync(file, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return {
    method: 'GET',
    path,
    summary: 'A file of the dashboard.',
    isPage: true,
    writes: false,
    handle: ({ headers }): ApiResponse => {
      const known = headers['if-none-match'] === etag;
      return {
        status: known ? 304 : 200,
        body: known ? '' : body,
        contentType,
        headers: { ...HEADERS, etag, 'cache-control': 'no-cache' },
      };
    },
  };
}

function dashboardFolder(): string | undefined {
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve('@heddle/dashboard/assets/index.html'))));
  } catch {
    return undefined;
  }
}
