import { testBlockChannel } from '../helpers/block-channel-contract.js';
import { openTcpChannelPair } from '../helpers/tcp-channel-pair.js';

testBlockChannel('TCP, read into our buffers', (options) => openTcpChannelPair({ ...options, isOnreadAllowed: true }));
