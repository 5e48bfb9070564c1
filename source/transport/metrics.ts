import { Counter, Gauge, Registry } from 'prom-client';
import { assert } from '../base/assert.js';

/** One number of a node at the moment of asking. All samples of one name have the same help, type and label names. */
export interface MetricSample {
  /** In Prometheus's way: `dfsh_` first, the base unit last, `_total` on counters and on nothing else. */
  name: string;
  help: string;
  type: 'gauge' | 'counter';
  value: number;
  labels?: Record<string, string> | undefined;
}

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** The Prometheus text of `samples`, and of nothing else: prom-client's default metrics do not pass promtool. */
export async function formatMetrics(samples: MetricSample[]): Promise<string> {
  const registry = new Registry();
  const metrics = new Map<string, { type: MetricSample['type']; add: (labels: Record<string, string>, value: number) => void }>();
  for (const { name, help, type, value, labels = {} } of samples) {
    let metric = metrics.get(name);
    if (!metric) {
      assert(name.endsWith('_total') === (type === 'counter'), `the name of a counter, and of no gauge, ends in _total (${name})`);
      const configuration = { name, help, labelNames: Object.keys(labels), registers: [registry] };
      if (type === 'counter') {
        const counter = new Counter(configuration);
        metric = { type, add: (of, by) => counter.inc(of, by) };
      } else {
        const gauge = new Gauge(configuration);
        metric = { type, add: (of, to) => gauge.set(of, to) };
      }
      metrics.set(name, metric);
    }
    assert(metric.type === type, `the samples of ${name} have one type`);
    metric.add(labels, value);
  }
  return registry.metrics();
}
