"""The workspace's own networks: `build(input_shape, outputs)` returns a torch.nn.Module."""
