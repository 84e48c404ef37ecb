"""Video, audio and subtitles of cameras to normal or abnormal, and to one timely alert an incident."""
