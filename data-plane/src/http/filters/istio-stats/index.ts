import type { IstioStatsConfig } from '@heddle/engine';
import type { HttpObserver } from '../../filter.js';
import { IstioStatsObserver } from './istio-stats-observer.js';

/** Source: Istio's stats filter, stats.PluginConfig. */
export const istioStatsFilter: HttpObserver = {
  name: 'istio.stats',
  typeUrl: 'type.googleapis.com/stats.PluginConfig',
  observe: (config, context) => new IstioStatsObserver(config as IstioStatsConfig, context),
};
