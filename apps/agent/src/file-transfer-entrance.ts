import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { configuredEntrance, Entrances, type SecuritySource } from '@sallyport/entrance';
import { Problem } from '@sallyport/protocol';
import { ConnectedContext } from '@sallyport/runtime';
import { peerOf } from '@sallyport/tls';
import { FileStorage } from './file-storage/file-storage.js';
import type { QuotaLimits } from './file-storage/storage-quota.js';
import { type FileTransferOptions, fileTransferHandler } from './file-transfer/file-transfer-handler.js';
import { anyPath, ownerRule, ownPathOnly, peerRule } from './file-transfer/path-ownership.js';
import { TransferMetrics } from './file-transfer/transfer-metrics.js';

// The topic id of the main device. A child device does not run the file transfer service.
const mainDevice = 'device/main//';

/** Opens the entrance of the file transfer service, as the settings say. */
@Injectable()
export class FileTransferEntrance implements OnApplicationBootstrap {
  constructor(
    private readonly context: ConnectedContext,
    private readonly entrances: Entrances,
  ) {}

  /**
   * @throws Problem `config-invalid`: the address cannot be bound, the files of `http.*` do not belong together, or
   *   `http.authorization` is `own` although clients need no certificate.
   */
  async onApplicationBootstrap(): Promise<void> {
    const { log, settings } = this.context;
    const topicId = settings.require('mqtt.device_topic_id');
    if (topicId !== mainDevice) {
      log.info({ topicId }, 'file transfer runs on the main device only');
      return;
    }
    const entrance = configuredEntrance(this.context, 'http');
    const isByOwner = settings.require('http.authorization') === 'own';
    if (isByOwner) await requireMutual(entrance.source);
    const metrics = new TransferMetrics(this.context.metrics);
    const handler = fileTransferHandler({ storage: await this.openStorage(metrics), metrics, ...this.rules() });
    await this.entrances.open({
      ...{ ...entrance, handler: { http: handler } },
      // If the level is lowered later, close the listener. Peers without a certificate own no paths.
      mutualOnly: isByOwner,
    });
  }

  private openStorage(metrics: TransferMetrics): Promise<FileStorage> {
    const { settings } = this.context;
    const dataDirectory = settings.require('data.path');
    const umask = settings.get('http.storage_umask');
    return FileStorage.open({
      directory: join(dataDirectory, 'file-transfer'),
      ownersJournal: join(dataDirectory, 'file-transfer-owners.jsonl'),
      // thin-edge.io stores firmware there and offers it by links in the file transfer directory.
      linkTargets: [join(dataDirectory, 'cache')],
      nowMs: () => this.nowMs(),
      onReceived: (bytes) => metrics.received(bytes),
      limits: this.limits(),
      ...(umask === undefined ? {} : { umask }),
    });
  }

  private limits(): QuotaLimits {
    const { settings } = this.context;
    const bytes = settings.get('http.storage_quota');
    return {
      ...(bytes === undefined ? {} : { bytes }),
      entries: settings.require('http.storage_entries'),
      sharePercent: settings.require('http.storage_share'),
    };
  }

  private rules(): Omit<FileTransferOptions, 'storage' | 'metrics'> {
    const { log, settings } = this.context;
    const maxUploadBytes = settings.get('http.max_upload_size');
    return {
      access: settings.require('http.authorization') === 'own' ? ownPathOnly(peerOf) : anyPath,
      ownerOf: ownerRule(peerOf),
      peerKeyOf: peerRule(peerOf),
      nowMs: () => this.nowMs(),
      onFault: (error, { method, path }) => log.error({ error, method, path }, 'file transfer failed inside'),
      ...(maxUploadBytes === undefined ? {} : { maxUploadBytes }),
    };
  }

  private nowMs(): number {
    return this.context.clock.now().getTime();
  }
}

async function requireMutual(source: SecuritySource): Promise<void> {
  const { level } = await source.read();
  if (level === 'mutual') return;
  throw new Problem(
    'config-invalid',
    `http.authorization is "own", which needs to know every client by its certificate, but the security level of http.* is "${level}". Set http.cert_path, http.key_path and http.ca_path, or: sallyport config unset http.authorization`,
  );
}
