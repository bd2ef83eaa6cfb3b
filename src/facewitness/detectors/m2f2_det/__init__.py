"""M2F2-Det: CLIP and a convolutional network side by side, with learned forgery prompts."""
