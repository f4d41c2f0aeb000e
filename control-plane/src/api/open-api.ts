import type { ApiRoute } from './api-route.js';

/** Describes the API to tools. Source: OpenAPI 3.1; made from the routes that are served, so that the two agree. */
export function openApiDocument(routes: readonly ApiRoute[], version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    if (route.isPage) continue;
    const parameters = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    }));
    const query = Object.entries(route.query ?? {}).map(([name, description]) => ({
      name,
      in: 'query',
      required: false,
      description,
      schema: { type: 'string' },
    }));
    (paths[route.path] ??= {})[route.method.toLowerCase()] = {
      summary: route.summary,
      parameters: [...parameters, ...query],
      ...(route.bodyDescription === undefined
        ? {}
        : {
            requestBody: {
              required: true,
              description: route.bodyDescription,
              content: { 'application/yaml': { schema: { type: 'string' } } },
            },
          }),
      ...(route.writes ? { security: [{ token: [] }] } : {}),
      responses: {
        '200': { description: 'The answer.' },
        ...(route.writes
          ? {
              '401': { description: 'The token is missing or wrong.' },
              '422': { description: 'The resource has problems; they are listed, and nothing was changed.' },
            }
          : {}),
        '404': { description: 'There is no such thing.' },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Heddle control plane', version },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}
