import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesThatNeed } from './needs.mjs';

const files = {
  'libs/testkit/src/index.ts':
    "export { TestCa } from './test-ca.js';\nexport { spawnNginx, spawnRedis } from './servers.js';\n",
  'libs/testkit/src/test-ca.ts': "import { mustRun } from './run-program.js';\nmustRun('openssl', []);\n",
  'libs/testkit/src/servers.ts': "startDaemon('redis-server'); startDaemon('nginx');\n",
  'libs/x/src/by-name.spec.ts': "await mustRun('curl', ['--version']);\n",
  'libs/x/src/by-library.spec.ts': "import {\n  TestCa,\n} from '@sallyport/testkit';\n",
  'libs/x/src/by-fixture.spec.ts': "import { site } from './site.fixture.js';\n",
  'libs/x/src/site.fixture.ts': "import { spawnRedis } from '@sallyport/testkit';\nawait spawnRedis();\n",
  'libs/x/src/by-testing.spec.ts': "import { peer } from '@sallyport/y/testing';\n",
  'libs/y/src/testing.ts': "export { peer } from './peer.fixture.js';\n",
  'libs/y/src/peer.fixture.ts': 'export const peer = `mosquitto_pub -t x`;\n',
  'libs/x/src/of-itself.spec.ts': "// It says openssl and curl, and starts neither.\nimport { x } from './x.js';\n",
  'libs/x/src/x.ts': "export const advice = 'openssl x509';\n",
  'e2e/src/document.spec.ts': "const page = 'docs/coap.md';\n",
  'docs/coap.md': '```sh\nsudo coap-client -m get coap://localhost\n```\n',
  'apps/none/package.json': '{}',
};

describe('test files and the programs they need', () => {
  let folder;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'needs-'));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it.each([
    ['curl', ['libs/x/src/by-name.spec.ts']],
    ['openssl', ['libs/x/src/by-library.spec.ts']],
    ['redis-server', ['libs/x/src/by-fixture.spec.ts']],
    ['mosquitto-clients', ['libs/x/src/by-testing.spec.ts']],
    ['libcoap3-bin', ['e2e/src/document.spec.ts']],
    ['nginx', []],
  ])('are found for %s', (name, expected) => {
    expect(filesThatNeed([{ name, proof: name }], folder)).toEqual(expected);
  });

  it('are none when nothing is missing', () => {
    expect(filesThatNeed([], folder)).toEqual([]);
  });
});
