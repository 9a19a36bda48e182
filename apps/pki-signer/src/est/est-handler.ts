import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasCode } from '@sallyport/files';
import { basicCredentials } from '@sallyport/http';
import { estChainPreference, Problem } from '@sallyport/protocol';
import type { Log } from '@sallyport/runtime';
import { peerOf } from '@sallyport/tls';
import { encodeCertsOnly, encodeCsrAttributes } from '@sallyport/x509';
import { isTrusted } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { Enrolment } from '../enrolment/enrolment.js';
import type { Renewal } from '../enrolment/renewal.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import { attributesAnswer, certificatesAnswer, type EstAnswer, problemAnswer, send } from './est-answer.js';
import { bodyFromDer, derFromBody, readBody } from './est-body.js';
import { channelBindingsOf } from './est-credentials.js';
import { type EstOperation, type EstRoute, routeOf, wantsChain } from './est-route.js';

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

  constructor(private readonly options: EstHandlerOptions) {}

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

  /** The client gets a fault that it can act on. Any other fault is logged, and the client gets its correlation id. */
  private async attempt(work: () => Promise<EstAnswer>): Promise<EstAnswer> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem && error.status !== 500 && error.type !== 'conflict') return this.problemTold(error);
      if (isBrokenConnection(error)) throw error;
      const correlationId = randomUUID();
      this.options.log.error({ error, correlationId }, 'EST request failed inside');
      return problemAnswer(new Problem('internal', `Something failed inside. Correlation id ${correlationId}.`));
    }
  }

  /**
   * The operator has to mend what the client cannot: a key that does not open, a registry or store that does not
   * answer.
   */
  private problemTold(problem: Problem): EstAnswer {
    if (problem.status > 500) this.options.log.warn({ error: problem }, 'EST request could not be served');
    return problemAnswer(problem);
  }

  private caCertificates(request: IncomingMessage): EstAnswer {
    const { roots, issuing, retiring } = this.options.hierarchy.trustBundle;
    // RFC 7030 §4.1.3: all that a client needs to build a chain, also the CAs between an imported CA and its root.
    const between = this.options.hierarchy.all.filter(isTrusted).flatMap(({ intermediates }) => intermediates);
    const published = [...roots, ...issuing, ...retiring, ...between];
    const byFingerprint = new Map(published.map(({ fingerprint, der }) => [fingerprint, der]));
    return this.certificates([...byFingerprint.values()], request, {});
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
    const peer = peerOf(request);
    if (peer?.credential.kind !== 'certificate')
      throw new Problem('credentials-invalid', 'Connect with the client certificate that is to be renewed.');
    const record = await this.options.renewal.renew({
      fingerprint: peer.credential.certificate.fingerprint,
      deviceId: peer.deviceId,
      ...incoming(request, body),
      ...(profile === undefined ? {} : { profile }),
    });
    return this.issued(record, request, route);
  }

  /** The leaf. A client that stores the answer as its chain also gets the issuing CAs, but never the root. */
  private issued(record: CertificateRecord, request: IncomingMessage, route: EstRoute): EstAnswer {
    const leaf = Buffer.from(record.certificate, 'base64');
    const notes = record.leftOut === undefined ? {} : { 'Extensions-Left-Out': record.leftOut.join(', ') };
    if (!wantsChain(request.headers, route)) return this.certificates([leaf], request, notes);
    const { certificate, intermediates } = this.options.hierarchy.byId(record.issuer);
    const chain = [leaf, certificate.der, ...intermediates.map(({ der }) => der)];
    return this.certificates(chain, request, { ...notes, 'Preference-Applied': estChainPreference });
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
