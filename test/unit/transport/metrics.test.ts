import test from 'ava';
import { formatMetrics } from '../../../source/transport/metrics.js';

test('samples become Prometheus text: help, type, labels escaped, and nothing else', async (t) => {
  const text = await formatMetrics([
    { name: 'dfsh_blocks', help: 'Blocks by state', type: 'gauge', value: 3, labels: { state: 'missing' } },
    { name: 'dfsh_blocks', help: 'Blocks by state', type: 'gauge', value: 4.5, labels: { state: 'a"\\\n' } },
    { name: 'dfsh_sent_bytes_total', help: 'Bytes sent', type: 'counter', value: 2 ** 40 },
  ]);
  t.is(
    text,
    [
      '# HELP dfsh_blocks Blocks by state',
      '# TYPE dfsh_blocks gauge',
      'dfsh_blocks{state="missing"} 3',
      'dfsh_blocks{state="a\\"\\\\\\n"} 4.5',
      '',
      '# HELP dfsh_sent_bytes_total Bytes sent',
      '# TYPE dfsh_sent_bytes_total counter',
      'dfsh_sent_bytes_total 1099511627776',
      '',
    ].join('\n'),
  );
});

test('a name that promtool would complain about is a mistake of ours', async (t) => {
  await t.throwsAsync(formatMetrics([{ name: 'dfsh_files_total', help: 'x', type: 'gauge', value: 1 }]), { name: 'AssertionError' });
  await t.throwsAsync(formatMetrics([{ name: 'dfsh_sent_bytes', help: 'x', type: 'counter', value: 1 }]), { name: 'AssertionError' });
});
