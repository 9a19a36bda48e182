// The real programs that the tests use, and how to install them on Debian. Uses Node built-ins only.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Debian package, the file that shows that it is installed (a bare name is a program), and what fails without it. */
export const peers = [
  { name: 'ca-certificates', proof: 'update-ca-certificates', tests: 'e2e: the commands of the documentation' },
  { name: 'curl', proof: 'curl', tests: 'agent, pki-signer, e2e: clients of the file transfer and of EST' },
  { name: 'faketime', proof: 'faketime', tests: 'e2e: a site whose clock is moved' },
  { name: 'gcc', proof: 'gcc', tests: 'coap-wire, e2e: a device made of libcoap' },
  { name: 'gnutls-bin', proof: 'gnutls-cli', tests: 'tls: a client that is not OpenSSL' },
  { name: 'iproute2', proof: 'ip', tests: 'e2e: the commands of the documentation' },
  {
    name: 'libcoap3-bin',
    proof: 'coap-client-openssl',
    tests: 'coap-wire, pki-signer, e2e: clients that are not ours',
  },
  { name: 'libcoap3-dev', proof: '/usr/include/coap3/coap.h', tests: 'coap-wire, e2e: a device made of libcoap' },
  {
    name: 'libstrongswan-extra-plugins',
    proof: '/usr/lib/ipsec/plugins/libstrongswan-curl.so',
    tests: 'pki-signer: strongSwan enrols over EST',
  },
  {
    // `pki` reads and makes EC keys with the plugin `openssl`.
    name: 'libstrongswan-standard-plugins',
    proof: '/usr/lib/ipsec/plugins/libstrongswan-openssl.so',
    tests: 'pki-signer: strongSwan enrols over EST',
  },
  { name: 'mosquitto', proof: 'mosquitto', tests: 'mqtt: connection, reconnection and RPC on a real broker' },
  { name: 'mosquitto-clients', proof: 'mosquitto_pub', tests: 'mqtt-broker: clients of the embedded broker' },
  { name: 'mount', proof: 'mount', tests: 'e2e: the commands of the documentation' },
  { name: 'nginx', proof: 'nginx', tests: 'testkit, bench: file transfer beside a real server' },
  { name: 'openssl', proof: 'openssl', tests: 'testkit, x509, tls: certificates that are not of our making' },
  { name: 'python3', proof: 'python3', tests: 'e2e: what a refused client prints' },
  {
    name: 'python3-cryptography-vectors',
    proof: '/usr/lib/python3/dist-packages/cryptography_vectors/__init__.py',
    tests: 'x509: certificates of the cryptography project',
  },
  { name: 'redis-server', proof: 'redis-server', tests: 'store: the contract on Redis' },
  { name: 'strongswan-pki', proof: 'pki', tests: 'pki-signer: strongSwan enrols over EST' },
  { name: 'util-linux', proof: 'unshare', tests: 'e2e: the commands of the documentation' },
];

/** What only one benchmark needs, by its name. */
export const benchPeers = {
  connector: [
    {
      name: 'libnginx-mod-http-lua',
      proof: '/usr/lib/nginx/modules/ngx_http_lua_module.so',
      tests: 'bench: nginx that parses what devices send',
    },
  ],
};

const policyPath = '/usr/sbin/policy-rc.d';
const policyMark = '# Written by the tests of Sallyport while they install packages; safe to remove.';
// dpkg asks this script before it starts a service; 101 means "do not".
const policy = `#!/bin/sh\n${policyMark}\nexit 101\n`;
const attempts = 3;
const attemptDeadlineMs = 300_000;

/** The packages (by default the peers) that are not installed. */
export function missingPeers(hasFile = existsSync, path = process.env.PATH ?? '', packages = peers) {
  const folders = [...path.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  const isThere = ({ proof }) =>
    proof.startsWith('/') ? hasFile(proof) : folders.some((folder) => hasFile(join(folder, proof)));
  return packages.filter((each) => !isThere(each));
}

/**
 * As root on Debian, installs what is missing. Otherwise prints what is missing. Starts no service. Never fails: a test
 * whose peer is missing reports it.
 *
 * @param packages the peers, or others of the same form
 * @returns those that are still missing
 */
export async function ensurePeers(machine = thisMachine, packages = peers) {
  const missing = missingPeers(machine.hasFile, process.env.PATH, packages);
  if (missing.length === 0) return [];
  if (machine.isRoot && machine.hasFile('/usr/bin/apt-get')) install(missing, machine);
  const left = missingPeers(machine.hasFile, process.env.PATH, packages);
  if (left.length > 0) machine.report(describe(left, mayLeaveOut(machine) ? 'are left out' : 'will fail'));
  return left;
}

/** The message for a user when these peers are missing. @param fate of the tests that need them */
export function describe(missing, fate = 'will fail') {
  const width = Math.max(...missing.map(({ name }) => name.length));
  const lines = missing.map(({ name, tests }) => `  ${name.padEnd(width)}  ${tests}`);
  const command = `apt-get install --no-install-recommends ${missing.map(({ name }) => name).join(' ')}`;
  return [`These programs are missing, and the tests named beside them ${fate}:`, ...lines, `As root: ${command}`].join(
    '\n',
  );
}

/** Only root can install them, and CI is to fail when a test cannot run. */
export function mayLeaveOut({ isRoot } = thisMachine, environment = process.env) {
  return !isRoot && !environment.CI;
}

function install(missing, machine) {
  const names = missing.map(({ name }) => name);
  machine.report(`Installing ${names.join(', ')} (apt-get) …`);
  machine.withoutServices(() => {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (machine.apt(['install', '--yes', '--no-install-recommends', ...names])) return;
      // The package lists may be missing or older than the packages on the mirror.
      machine.apt(['update']);
    }
  });
}

const thisMachine = {
  isRoot: process.getuid?.() === 0,
  hasFile: existsSync,
  report: (text) => console.error(text),
  withoutServices,
  apt: (args) => {
    const network = ['-o', 'Acquire::Retries=3', '-o', 'Acquire::http::Timeout=30', '-o', 'Acquire::https::Timeout=30'];
    const calm = ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Options::=--force-confold'];
    const { status, stderr } = spawnSync('apt-get', [...network, ...calm, ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      timeout: attemptDeadlineMs,
    });
    if (status !== 0) console.error(stderr.trim());
    return status === 0;
  },
};

/** Keeps dpkg from starting the services it installs, and restores the policy of the machine afterwards. */
export function withoutServices(work, path = policyPath) {
  const saved = `${path}.before-sallyport`;
  restore(path, saved);
  if (existsSync(path)) renameSync(path, saved);
  try {
    writeFileSync(path, policy);
    chmodSync(path, 0o755);
    work();
  } finally {
    restore(path, saved);
  }
}

// Also repairs the state that a killed run has left.
function restore(path, saved) {
  if (existsSync(path) && readFileSync(path, 'utf8').includes(policyMark)) rmSync(path);
  if (existsSync(saved)) renameSync(saved, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (await ensurePeers()).length === 0 ? 0 : 1;
