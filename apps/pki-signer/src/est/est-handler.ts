import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasCode } from '@sallyport/files';
import { basicCredentials } from '@sallyport/http';
import { estChainPreference, Problem } from '@sallyport/protocol';
import type { Log } from '@sallyport/runtime';
import { outdatedCredentialOf, peerOf } from '@sallyport/tls';
import { encodeCertsOnly, encodeCsrAttributes } from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { Enrolment } from '../enrolment/enrolment.js';
import type { Renewal } from '../enrolment/renewal.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import { attributesAnswer, certificatesAnswer, type EstAnswer, problemAnswer, send } from './est-answer.js';
import { bodyFromDer, derFromBody, readBody } from './est-body.js';
import { issuedCertificates, publishedCertificates } from './est-certificates.js';
import { channelBindingsOf, renewedOn } from './est-credentials.js';
import { type EstOperation, type EstRoute, routeOf, wantsChain } from './est-route.js';
import { ToldProblems } from './told-problem.js';

export interface EstHandlerOptions {
  readonly hierarchy: Hierarchy;
  readonly enrolment: Pick<Enrolment, 'enrol'>;
  readonly renewal: Pick<Renewal, 'renew'>;
  readonly metrics: SignerMetrics;
  readonly log: Log;
}

/** Answers EST (RFC 7030, 8951) for a listener that has verified the client certificate, if there is one. */
export function estHandler(options: EstHandlerOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const operations = new EstOperations(options);
  return (request, response) => {
    operations.answer(request).then(
      (answer) => send(request, response, answer),
      // The connection broke, so nobody can get an answer.
      (error: unknown) => {
        options.log.debug({ error }, 'EST request broken off');
        response.destroy();
      },
    );
  };
}

type Operation = (request: IncomingMessage, route: EstRoute) => EstAnswer | Promise<EstAnswer>;

class EstOperations {
  private readonly byName: Readonly<Record<EstOperation, Operation>> = {
    cacerts: (request) => this.caCertificates(request),
    csrattrs: (request) => this.csrAttributes(request),
    simpleenroll: (request, route) => this.enrol(request, route),
    simplereenroll: (request, route) => this.renew(request, route),
  };

  private readonly problems: ToldProblems;

  constructor(private readonly options: EstHandlerOptions) {
    this.problems = new ToldProblems(options.log);
  }

  async answer(request: IncomingMessage): Promise<EstAnswer> {
    let operation = 'none';
    const outcome = await this.attempt(async () => {
      const route = routeOf(request.method ?? '', request.url ?? '');
      operation = route.operation;
      return this.byName[route.operation](request, route);
    });
    const ua = clientFamily(request.headers['user-agent']);
    this.options.metrics.estRequests.inc({ op: operation, code: String(outcome.status), ua });
    return outcome;
  }

  private async attempt(work: () => Promise<EstAnswer>): Promise<EstAnswer> {
    try {
      return await work();
    } catch (error) {
      if (isBrokenConnection(error)) throw error;
      return problemAnswer(this.problems.of(error));
    }
  }

  private caCertificates(request: IncomingMessage): EstAnswer {
    return this.certificates(publishedCertificates(this.options.hierarchy), request, {});
  }

  private csrAttributes(request: IncomingMessage): EstAnswer {
    const der = encodeCsrAttributes({ curve: 'P-256', signatureAlgorithm: 'ecdsa-with-SHA256' });
    return attributesAnswer(bodyFromDer(der, request.headers['user-agent']));
  }

  private async enrol(request: IncomingMessage, route: EstRoute): Promise<EstAnswer> {
    const { profile } = route;
    const body = await readBody(request);
    const credentials = basicCredentials(request.headers.authorization);
    if (credentials === undefined)
      throw new Problem(
        'credentials-invalid',
        'Send the device id and its one-time password as HTTP Basic credentials.',
      );
    const record = await this.options.enrolment.enrol({
      name: credentials.username,
      password: credentials.password,
      ...incoming(request, body),
      ...(profile === undefined ? {} : { profile }),
    });
    return this.issued(record, request, route);
  }

  private async renew(request: IncomingMessage, route: EstRoute): Promise<EstAnswer> {
    const { profile } = route;
    const body = await readBody(request);
    const record = await this.options.renewal.renew({
      ...renewedOn({ peer: peerOf(request), outdated: outdatedCredentialOf(request) }),
      ...incoming(request, body),
      ...(profile === undefined ? {} : { profile }),
    });
    return this.issued(record, request, route);
  }

  /** The leaf. A client that stores the answer as its chain also gets the issuing CAs, but never the root. */
  private issued(record: CertificateRecord, request: IncomingMessage, route: EstRoute): EstAnswer {
    const [leaf, ...authorities] = issuedCertificates(this.options.hierarchy, record);
    const notes = record.leftOut === undefined ? {} : { 'Extensions-Left-Out': record.leftOut.join(', ') };
    if (!wantsChain(request.headers, route)) return this.certificates([leaf], request, notes);
    return this.certificates([leaf, ...authorities], request, { ...notes, 'Preference-Applied': estChainPreference });
  }

  private certificates(ders: readonly Buffer[], request: IncomingMessage, notes: EstAnswer['headers']): EstAnswer {
    return certificatesAnswer(bodyFromDer(encodeCertsOnly(ders), request.headers['user-agent']), notes);
  }
}

function incoming(request: IncomingMessage, body: Buffer) {
  const mediaType = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== 'application/pkcs10')
    throw new Problem('unsupported-media-type', 'Send the CSR with Content-Type: application/pkcs10.');
  return {
    csr: derFromBody(body),
    channelBindings: () => channelBindingsOf(request.socket),
    remoteAddress: request.socket.remoteAddress ?? '',
  };
}

const clientFamilies = ['libest', 'strongSwan', 'curl', 'sallyport', 'tedge', 'Go-http-client'] as const;

/** A label for metrics, one of few. */
function clientFamily(userAgent: string | undefined): string {
  if (userAgent === undefined) return 'none';
  return clientFamilies.find((family) => userAgent.startsWith(family)) ?? 'other';
}

function isBrokenConnection(error: unknown): boolean {
  return hasCode(error, 'ECONNRESET');
}
