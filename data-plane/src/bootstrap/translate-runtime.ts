import { translateRuntimeLayer, type RuntimeLayerConfig } from '@heddle/engine';
import type { envoy } from '@heddle/xds-protos';
import { fetchTimeoutMs } from './ads-config.js';
import type { BootstrapFindings } from './bootstrap-findings.js';

/**
 * The layers of runtime settings. Without any there is one for the admin pages, where the bootstrap has the field at all.
 *
 * Source: envoy.config.bootstrap.v3.LayeredRuntime.
 */
export function translateRuntimeLayers(
  runtime: envoy.config.bootstrap.v3.LayeredRuntime | null,
  hasControlPlane: boolean,
  findings: BootstrapFindings,
): readonly RuntimeLayerConfig[] {
  if (runtime === null) return [];
  if (runtime.layers.length === 0) return [{ kind: 'admin', name: 'admin' }];
  const names = new Set<string>();
  return runtime.layers.flatMap((layer, i): readonly RuntimeLayerConfig[] => {
    const path = `layered_runtime.layers[${i}]`;
    const { name } = layer;
    if (name === '') findings.problem(`${path}.name`, 'must be set');
    if (names.has(name)) findings.problem(`${path}.name`, `a second layer is named "${name}"`);
    names.add(name);
    switch (layer.layerSpecifier) {
      case 'staticLayer': {
        const translated = layer.staticLayer && translateRuntimeLayer(layer.staticLayer);
        const values = translated && findings.take(name, `${path}.static_layer`, translated);
        return values ? [{ kind: 'static', name, values }] : [];
      }
      case 'adminLayer':
        return [{ kind: 'admin', name }];
      case 'rtdsLayer':
        if (!hasControlPlane) {
          findings.problem(`${path}.rtds_layer`, 'comes by RTDS, but no control plane is named');
        }
        return [
          {
            kind: 'rtds',
            name,
            resource: layer.rtdsLayer?.name || name,
            initialFetchTimeoutMs: fetchTimeoutMs(layer.rtdsLayer?.rtdsConfig ?? null),
          },
        ];
      case 'diskLayer':
        findings.ignored(`${path}.disk_layer`, true);
        return [];
      case undefined:
        findings.problem(path, 'expected static_layer, admin_layer or rtds_layer, found none');
        return [];
    }
  });
}
