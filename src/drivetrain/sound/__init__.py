"""Sound: files to samples, samples to another rate, samples to mel bands. numpy alone, but for what isn't plain WAV."""
