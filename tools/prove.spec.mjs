import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, runtime } from './bootstrap.mjs';

function prove(...args) {
  const { status, stdout, stderr } = spawnSync(runtime(), [join(root, 'tools/prove.mjs'), ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('npm run prove', () => {
  it('lists what it can prove, a line each', () => {
    expect(prove('--list').stdout).toMatch(
      /^bare-root {5}npm start and npm test .*\nanother-day {3}every test .*\nbroker {8}kill -9 .*\nbridge {8}kill -9 .*\nconnector {5}kill -9 .*\nmqtt-hostile {2}hostile .*\ncoap-frames {3}1,000,000 .*\nyear {10}two years .*\n$/,
    );
  });

  it.each([[[]], [['bare-rot']], [['another-day', 'bare-rot']]])('proves nothing when it is asked for %j', (names) => {
    const { status, stderr } = prove(...names);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr:
        'npm run prove -- NAME..., where NAME is one of: bare-root, another-day, broker, bridge, connector, mqtt-hostile, coap-frames, year\n',
    });
  });
});
