"""What each request does, one module for a family. A handler takes the broker and a request, and gives an answer."""
