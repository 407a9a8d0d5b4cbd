"""Handing out producer ids (IDM): InitProducerId. What a leader does with them is `model.machines.producer`.

Source: TransactionCoordinator.handleInitProducerId, ProducerIdManager; KIP-98, KIP-360.
"""
