import 'reflect-metadata';
import { runService } from '@sallyport/runtime';
import { mqttBridge } from './bridge-service.js';

await runService(mqttBridge());
