import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { certificatesIn, checkPossession, proofCommands, proofName, readPasted } from '@sallyport/client-ca';
import {
  type ClientCa,
  type ClientCaProof,
  type ConnectorName,
  type Pasted,
  type PossessionChallenge,
  Problem,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { z } from 'zod';

/** Which CA of which connector, and who proves it. */
export interface ProofOrder {
  readonly connector: ConnectorName;
  readonly clientCa: ClientCa;
  readonly actor: string;
}

const storedChallenge = z.strictObject({ commonName: z.string(), expiresAt: z.iso.datetime() });
const storedProof = z.strictObject({ at: z.iso.datetime() });

/** 160 bits: nobody guesses it, and with its prefix it fits into a common name of 64 characters. */
const nonceBytes = 20;
const lifetimeSeconds = 3600;

/**
 * Proofs that the key of a Client CA is held by those who use it. Whoever merely knows the certificate of a CA, which is
 * public, cannot make one. Keys: `client-ca-challenge/<connector>/<CA>`, `client-ca-proof/<connector>/<CA>`.
 */
@Injectable()
export class PossessionProofs {
  constructor(
    private readonly store: Store,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Draws a name. It works once, for an hour, and replaces the one before. */
  async challenge(order: ProofOrder): Promise<PossessionChallenge> {
    const commonName = proofName(randomBytes(nonceBytes).toString('hex'));
    const expiresAt = new Date(this.clock.now().getTime() + lifetimeSeconds * 1000).toISOString();
    await this.store.put(challengeKey(order), { commonName, expiresAt }, { ttlSeconds: lifetimeSeconds });
    return { commonName, expiresAt, commands: proofCommands(commonName) };
  }

  /**
   * Takes the certificate with that name.
   *
   * @throws Problem `conflict`: no challenge is open; `certificate-rejected`: the certificate proves nothing
   */
  async prove(order: ProofOrder, pasted: Pasted): Promise<void> {
    const { clientCa, connector, actor } = order;
    const now = this.clock.now();
    const entry = await this.store.get(challengeKey(order));
    const open = storedChallenge.safeParse(entry?.value).data;
    if (entry === undefined || open === undefined || Date.parse(open.expiresAt) <= now.getTime()) throw noChallenge();
    const [certificate, ...others] = certificatesIn(readPasted(pasted).items);
    if (certificate === undefined || others.length > 0)
      throw new Problem(
        'certificate-rejected',
        'Give the one certificate that the lines of the challenge made: proof.pem.',
      );
    checkPossession(certificate, { clientCa, commonName: open.commonName, now });
    const details = { connector, fingerprint: certificate.fingerprint };
    const isCommitted = await this.audit.commit({
      compares: [{ key: challengeKey(order), revision: entry.revision }],
      operations: [{ delete: challengeKey(order) }, { put: proofKey(order), value: { at: now.toISOString() } }],
      entries: [{ actor, action: 'client-ca-proved', subject: clientCa.id, outcome: 'succeeded', details }],
    });
    if (!isCommitted) throw noChallenge();
  }

  /** Why we believe in a CA now: its proof if there is one, else who attested it. */
  async proofOf(order: Pick<ProofOrder, 'connector' | 'clientCa'>): Promise<ClientCaProof> {
    const entry = await this.store.get(proofKey(order));
    const proof = storedProof.safeParse(entry?.value).data;
    return proof === undefined ? order.clientCa.proof : { by: 'possession', at: proof.at };
  }
}

function noChallenge(): Problem {
  return new Problem(
    'conflict',
    'No challenge is open for this CA: none was drawn, it was used, or its hour is over. Draw a new one: sallyport client-ca prove',
  );
}

type Place = Pick<ProofOrder, 'connector' | 'clientCa'>;

function challengeKey({ connector, clientCa }: Place): string {
  return `client-ca-challenge/${connector}/${clientCa.id}`;
}

function proofKey({ connector, clientCa }: Place): string {
  return `client-ca-proof/${connector}/${clientCa.id}`;
}
