"""The only doors to the network, one module each; nothing here knows the store or a rule of the house.

Foreign errors end here: what leaves these modules is a `WireFault` that says whether the other
side may have got something. Serves walks A (fetch) and B (send).
"""
