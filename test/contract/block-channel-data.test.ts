import { testBlockChannel } from '../helpers/block-channel-contract.js';
import { openTcpChannelPair } from '../helpers/tcp-channel-pair.js';

testBlockChannel('TCP, read by data events', (options) => openTcpChannelPair({ ...options, isOnreadAllowed: false }));
