import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { configuredSource, Entrances } from '@sallyport/entrance';
import { ServiceContext } from '@sallyport/runtime';
import { peerOf } from '@sallyport/tls';
import { FileStorage } from './file-storage/file-storage.js';
import { type FileTransferOptions, fileTransferHandler } from './file-transfer/file-transfer-handler.js';
import { anyPath, ownPathOnly } from './file-transfer/path-ownership.js';

// The main device's entity topic id; a child device runs no file transfer service.
const mainDevice = 'device/main//';

/** Opens file transfer to whoever the settings let in. */
@Injectable()
export class FileTransferEntrance implements OnApplicationBootstrap {
  constructor(
    private readonly context: ServiceContext,
    private readonly entrances: Entrances,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { log, settings } = this.context;
    const topicId = settings.require('mqtt.device_topic_id');
    if (topicId !== mainDevice) {
      log.info({ topicId }, 'file transfer runs on the main device only');
      return;
    }
    const handler = fileTransferHandler({ storage: await this.openStorage(), ...this.rules() });
    const source = configuredSource(this.context, 'http');
    await this.entrances.open({ name: 'file transfer', source, handler: { http: handler } });
  }

  private openStorage(): Promise<FileStorage> {
    const { settings } = this.context;
    const quotaBytes = settings.get('http.storage_quota');
    return FileStorage.open({
      directory: join(settings.require('data.path'), 'file-transfer'),
      nowMs: () => this.nowMs(),
      ...(quotaBytes === undefined ? {} : { quotaBytes }),
    });
  }

  private rules(): Omit<FileTransferOptions, 'storage'> {
    const { log, settings } = this.context;
    const maxUploadBytes = settings.get('http.max_upload_size');
    return {
      access: settings.require('http.authorization') === 'own' ? ownPathOnly(peerOf) : anyPath,
      nowMs: () => this.nowMs(),
      onFault: (error, { method, path }) => log.error({ error, method, path }, 'file transfer failed inside'),
      ...(maxUploadBytes === undefined ? {} : { maxUploadBytes }),
    };
  }

  private nowMs(): number {
    return this.context.clock.now().getTime();
  }
}
