import { writeFile } from 'node:fs/promises';
import { mustRun, spawnNginx, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { pemFromDer } from '@sallyport/x509';
import { cpuMillisecondsOfEndedChildren } from '../process/cpu-time.js';
import { type LoadResult, runLoad } from './est-load.js';

const opensslRuns = 20;

/** `openssl x509 -req`, one process for each certificate. */
export async function opensslCommand(csr: Buffer): Promise<Omit<LoadResult, 'bodies'>> {
  await using ca = await TestCa.create();
  await using directory = temporaryDirectory('sallyport-b-');
  const request = directory.file('request.pem');
  await writeFile(request, pemFromDer('CERTIFICATE REQUEST', csr));
  const signer = ['-CA', ca.certPath, '-CAkey', ca.certificate.keyPath, '-CAserial', directory.file('serial')];
  const command = ['x509', '-req', '-days', '90', '-in', request, ...signer, '-CAcreateserial'];
  const [startedAt, cpuBefore] = [performance.now(), cpuMillisecondsOfEndedChildren()];
  for (let run = 0; run < opensslRuns; run += 1) await mustRun('openssl', command);
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    perSecond: opensslRuns / seconds,
    cpuMs: (cpuMillisecondsOfEndedChildren() - cpuBefore) / opensslRuns,
  };
}

/** nginx serving a small file, with a new TLS connection each time. No server over TLS can be much cheaper. */
export async function nginxHandshakes(count: number): Promise<LoadResult> {
  await using ca = await TestCa.create();
  const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  const files = `ssl_certificate ${server.certPath}; ssl_certificate_key ${server.keyPath};`;
  await using nginx = await spawnNginx(
    `server { listen 127.0.0.1:$port ssl; ${files} ssl_session_tickets off; location / { return 200 "ok"; } }`,
  );
  const requests = Array.from({ length: count }, () => ({ path: '/', method: 'GET' as const }));
  return await runLoad({ port: nginx.port, rootPem: ca.certPem, pid: nginx.pid }, requests, { keepAlive: false });
}
