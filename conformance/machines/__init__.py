"""Generated operations: the model beside the target."""
