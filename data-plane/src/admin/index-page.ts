import { text, type AdminPage } from './admin-page.js';

/** `/help` as text, and `/` as a page with links. Nothing on it comes from outside. */
export function indexPages(pages: readonly AdminPage[]): readonly AdminPage[] {
  const help: AdminPage = {
    path: '/help',
    description: 'print out list of admin commands',
    respond: () => text(['admin commands are:\n', ...sorted().map(helpLine)].join('')),
  };
  const home: AdminPage = {
    path: '/',
    description: 'Admin home page',
    respond: () => ({
      status: 200,
      contentType: 'text/html; charset=UTF-8',
      body: homeText(sorted().filter((page) => page.path !== '/')),
    }),
  };
  const sorted = (): AdminPage[] =>
    [...pages, help, home].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return [home, help];
}

function helpLine(page: AdminPage): string {
  const parameters = Object.entries(page.parameters ?? {});
  return [
    `  ${page.path}${page.mutates ? ' (POST)' : ''}: ${page.description}\n`,
    ...parameters.map(([name, meaning]) => `      ${name}: ${meaning}\n`),
  ].join('');
}

function homeText(pages: readonly AdminPage[]): string {
  const rows = pages.map((page) => {
    const path = page.path.slice(1);
    const link = page.mutates
      ? `<form action="${path}" method="post"><button>${path}</button></form>`
      : `<a href="${path}">${path}</a>`;
    return `<tr><td>${link}</td><td>${page.description.replaceAll('<', '&lt;')}</td></tr>`;
  });
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>heddle-proxy admin</title>',
    '<style>body{font-family:sans-serif}td{padding:.2em 1em}form{margin:0}</style></head>',
    `<body><h1>heddle-proxy admin</h1><table>${rows.join('\n')}</table></body></html>\n`,
  ].join('\n');
}
